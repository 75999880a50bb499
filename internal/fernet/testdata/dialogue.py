"""Answers questions about Fernet tokens with Python's cryptography, one JSON object a line, for agreement_test.go.

Bytes travel as base64; a refusal is null. With one key it is Fernet that answers, or MultiFernet where that is asked for.
"""

import base64
import json
import sys

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


def answer(q):
    fernets = [Fernet(key) for key in q["keys"]]
    f = MultiFernet(fernets) if q["multi"] else fernets[0]
    try:
        match q["do"]:
            case "encrypt":
                return f.encrypt(base64.b64decode(q["message"])).decode()
            case "encrypt_at_time":
                return f.encrypt_at_time(base64.b64decode(q["message"]), q["time"]).decode()
            case "decrypt":
                return base64.b64encode(f.decrypt(q["token"], q["ttl"])).decode()
            case "decrypt_at_time":
                return base64.b64encode(f.decrypt_at_time(q["token"], q["ttl"], q["now"])).decode()
            case "extract_timestamp":
                return str(f.extract_timestamp(q["token"]))
            case "rotate":
                return MultiFernet(fernets).rotate(q["token"]).decode()
    except InvalidToken:
        return None


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
