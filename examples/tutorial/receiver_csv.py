"""Prints the newest message: third column of the last row of the field's CSV, b'...' taken off, decrypted.

    THINGSPEAK=http://127.0.0.1:3000 CHANNEL=1234567 PASSWORD=... python3 receiver_csv.py

Needs the package cryptography. fernpost writes for it in a room made with: fernpost init ROOM --profile tutorial
"""
import base64
import csv
import os
import urllib.request

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

ADDRESS = os.environ.get("THINGSPEAK", "https://api.thingspeak.com")
CHANNEL = os.environ["CHANNEL"]
PASSWORD = os.environ["PASSWORD"]

kdf = PBKDF2HMAC(algorithm=hashes.SHA256(), length=32, salt=b"salt_", iterations=100000)
fernet = Fernet(base64.urlsafe_b64encode(kdf.derive(PASSWORD.encode())))

text = urllib.request.urlopen(ADDRESS + "/channels/" + CHANNEL + "/field/1.csv").read().decode()
cell = list(csv.reader(text.splitlines()))[-1][2]
token = cell.replace("b'", "").replace("'", "")
print(fernet.decrypt(token.encode()).decode())
