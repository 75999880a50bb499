"""A second implementation of public keys, signatures and sealed files, from the comments of the package and RFC 9180.

Reads one JSON object from standard input and writes one to standard output; bytes travel as base64.
"""

import base64
import hashlib
import hmac
import json
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305


def extract(salt, ikm):
    return hmac.digest(salt or bytes(32), ikm, "sha256")


def expand(prk, info, size):
    out, block = b"", b""
    for i in range(1, size // 32 + 2):
        block = hmac.digest(prk, block + info + bytes([i]), "sha256")
        out += block
    return out[:size]


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
    key = labeled_expand(HPKE, secret, b"key", schedule, 32)
    nonce = int.from_bytes(labeled_expand(HPKE, secret, b"base_nonce", schedule, 12))
    return ChaCha20Poly1305(key), lambda n: (nonce ^ n).to_bytes(12)


LINE, CHUNK = b"fernpost sealed 1\n", 65536


def seal(text, signing, sealing):
    ephemeral = X25519PrivateKey.generate()
    enc = ephemeral.public_key().public_bytes_raw()
    dh = ephemeral.exchange(X25519PublicKey.from_public_bytes(sealing))
    aead, nonce = context(dh, enc, sealing, b"fernpost/v1 sealed file\0" + signing)
    chunks = [text[i : i + CHUNK] for i in range(0, len(text), CHUNK)] or [b""]
    last = len(chunks) - 1
    return LINE + enc + b"".join(aead.encrypt(nonce(i), c, bytes([i == last])) for i, c in enumerate(chunks))


def unseal(sealed, private, signing):
    assert sealed.startswith(LINE)
    enc, rest = sealed[18:50], sealed[50:]
    dh = private.exchange(X25519PublicKey.from_public_bytes(enc))
    aead, nonce = context(dh, enc, private.public_key().public_bytes_raw(), b"fernpost/v1 sealed file\0" + signing)
    chunks = [rest[i : i + CHUNK + 16] for i in range(0, len(rest), CHUNK + 16)]
    try:
        return b"".join(aead.decrypt(nonce(i), c, bytes([i == len(chunks) - 1])) for i, c in enumerate(chunks))
    except InvalidTag:
        return None


job = json.load(sys.stdin)
seed, text = base64.b64decode(job["seed"]), base64.b64decode(job["text"])
identity = Ed25519PrivateKey.from_private_bytes(seed)
signing = identity.public_key().public_bytes_raw()
private = X25519PrivateKey.from_private_bytes(expand(extract(b"", seed), b"fernpost/v1 x25519", 32))
sealing = private.public_key().public_bytes_raw()
both = signing + sealing
checksum = hashlib.sha256(b"fernpost/v1 keys\0" + both).digest()

fields = dict(line.split(" ", 1) for line in job["signature"].strip().split("\n"))
assert fields["fernpost"] == "signature 1" and fields["sha256"] == hashlib.sha256(text).hexdigest()
Ed25519PublicKey.from_public_bytes(bytes.fromhex(fields["key"])).verify(
    base64.b64decode(fields["signature"]),
    b"fernpost/v1 signed file\0" + bytes.fromhex(fields["key"]) + struct.pack(">Q", int(fields["time"])) + hashlib.sha256(text).digest(),
)

opened = unseal(base64.b64decode(job["sealed"]), private, signing)
json.dump(
    {
        "keys": "fp1_" + base64.urlsafe_b64encode(both + checksum[:4]).decode().rstrip("="),
        "opened": None if opened is None else base64.b64encode(opened).decode(),
        "sealed": base64.b64encode(seal(text, signing, sealing)).decode(),
    },
    sys.stdout,
)
