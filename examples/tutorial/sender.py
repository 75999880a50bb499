"""Sends one line, the way tutorials do it: a key from the password, Fernet, one GET to /update.

    THINGSPEAK=http://127.0.0.1:3000 WRITE_KEY=... PASSWORD=... python3 sender.py "hello"

Needs the package cryptography. fernpost reads it with: fernpost join ROOM --profile tutorial --channel ID
"""
import base64
import os
import sys
import urllib.request

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

ADDRESS = os.environ.get("THINGSPEAK", "https://api.thingspeak.com")
API_KEY = os.environ["WRITE_KEY"]
PASSWORD = os.environ["PASSWORD"]

kdf = PBKDF2HMAC(algorithm=hashes.SHA256(), length=32, salt=b"salt_", iterations=100000)
fernet = Fernet(base64.urlsafe_b64encode(kdf.derive(PASSWORD.encode())))

token = fernet.encrypt(sys.argv[1].encode())
reply = urllib.request.urlopen(ADDRESS + "/update?api_key=" + API_KEY + "&field1=" + str(token)).read()
print("entry", reply.decode())
