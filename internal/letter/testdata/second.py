"""A second implementation of letters, from the comment of the package and RFC 9180.

Reads one JSON object from standard input: the seeds of inviter and recipient (hexadecimal) and a letter's line. Opens the letter,
checks who has written it, and writes what it says, with a letter of its own that says the same.
"""

import base64
import hashlib
import hmac
import json
import struct
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305


def extract(salt, ikm):
    return hmac.digest(salt or bytes(32), ikm, "sha256")


def expand(prk, info, size):  # of at most 32 bytes
    return hmac.digest(prk, info + b"\1", "sha256")[:size]


# RFC 9180, sections 4 and 5.1; DHKEM(X25519, HKDF-SHA256) is 0x0020, HKDF-SHA256 0x0001, ChaCha20Poly1305 0x0003.
KEM = b"KEM" + struct.pack(">H", 0x20)
HPKE = b"HPKE" + struct.pack(">HHH", 0x20, 1, 3)


def labeled_extract(suite, salt, label, ikm):
    return extract(salt, b"HPKE-v1" + suite + label + ikm)


def labeled_expand(suite, prk, label, info, size):
    return expand(prk, struct.pack(">H", size) + b"HPKE-v1" + suite + label + info, size)


def context(dh, enc, recipient, info):
    shared = labeled_expand(KEM, labeled_extract(KEM, b"", b"eae_prk", dh), b"shared_secret", enc + recipient, 32)
    schedule = b"\0" + labeled_extract(HPKE, b"", b"psk_id_hash", b"") + labeled_extract(HPKE, b"", b"info_hash", info)
    secret = labeled_extract(HPKE, shared, b"secret", b"")
    return ChaCha20Poly1305(labeled_expand(HPKE, secret, b"key", schedule, 32)), labeled_expand(HPKE, secret, b"base_nonce", schedule, 12)


def line_sum(b):
    return hashlib.sha256(b"fernpost/v1 letter line\0" + b).digest()[:4]


job = json.load(sys.stdin)
inviter, recipient = (Ed25519PrivateKey.from_private_bytes(bytes.fromhex(job[who])) for who in ("inviter", "recipient"))
private = X25519PrivateKey.from_private_bytes(expand(extract(b"", bytes.fromhex(job["recipient"])), b"fernpost/v1 x25519", 32))
signing, sealing = recipient.public_key().public_bytes_raw(), private.public_key().public_bytes_raw()
number = hashlib.sha256(b"fernpost/v1 keys\0" + signing + sealing).digest()[-16:]

raw = base64.urlsafe_b64decode(job["line"].removeprefix("fpl1_") + "==")
channel, enc, ciphertext = raw[:8], raw[8:40], raw[40:-4]
assert line_sum(raw[:-4]) == raw[-4:]
room_salt = hashlib.sha256(b"fernpost/v1 salt\0channel/%d" % struct.unpack(">Q", channel)).digest()[:16]
domain = b"fernpost/v1 letter\0" + room_salt
aead, nonce = context(private.exchange(X25519PublicKey.from_public_bytes(enc)), enc, sealing, domain)
text = aead.decrypt(nonce, ciphertext, b"")

assert text[0] == 1 and text[7:23] == number
end = 25 + struct.unpack(">H", text[23:25])[0]
assert not text[end + 64 :].strip(b"\0") and (3 + 144 + len(enc) + len(ciphertext)) % 105 == 0
key = Ed25519PublicKey.from_public_bytes(text[end - 36 : end - 4])  # the invitation's last field before its check sum
key.verify(text[end : end + 64], domain + signing + sealing + text[:end])

ephemeral = X25519PrivateKey.generate()
enc = ephemeral.public_key().public_bytes_raw()
aead, nonce = context(ephemeral.exchange(private.public_key()), enc, sealing, domain)
again = text[:end] + inviter.sign(domain + signing + sealing + text[:end]) + text[end + 64 :]
raw = channel + enc + aead.encrypt(nonce, again, b"")
json.dump(
    {
        "time": int.from_bytes(text[1:7]),
        "from": key.public_bytes_raw().hex(),
        "line": "fpl1_" + base64.urlsafe_b64encode(raw + line_sum(raw)).decode().rstrip("="),
    },
    sys.stdout,
)
