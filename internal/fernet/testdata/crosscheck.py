"""Seals, opens and judges Fernet tokens with Python's cryptography, for python_test.go.

Reads one JSON object from standard input and writes one to standard output. Bytes travel as base64; a refusal is null.
"""

import base64
import json
import sys

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


def ring(keys):
    return MultiFernet([Fernet(key) for key in keys])


def seal(job):
    return ring(job["keys"]).encrypt_at_time(base64.b64decode(job["message"] or ""), job["time"]).decode()


def unseal(job):
    try:
        if job["ttl"] is None:
            plaintext = ring(job["keys"]).decrypt(job["token"])
        else:
            plaintext = ring(job["keys"]).decrypt_at_time(job["token"], job["ttl"], job["now"])
    except InvalidToken:
        return None
    return base64.b64encode(plaintext).decode()


jobs = json.load(sys.stdin)
results = {
    "seal": [seal(job) for job in jobs["seal"] or []],
    "open": [unseal(job) for job in jobs["open"] or []],
}
json.dump(results, sys.stdout)
