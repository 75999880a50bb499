"""Prints every message of the field's JSON, which the service gives when the address has no extension.

    THINGSPEAK=http://127.0.0.1:3000 CHANNEL=1234567 PASSWORD=... python3 receiver_json.py

Needs the package cryptography.
"""
import base64
import json
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

feed = json.loads(urllib.request.urlopen(ADDRESS + "/channels/" + CHANNEL + "/field/1").read())
for entry in feed["feeds"]:
    token = entry["field1"].replace("b'", "").replace("'", "")
    print(fernet.decrypt(token.encode()).decode())
