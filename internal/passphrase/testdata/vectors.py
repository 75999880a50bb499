"""Known answers for the package passphrase, computed a second time without any code of it.

    python3 vectors.py > vectors.json

Argon2id comes from cryptography 44 or later, or from argon2-cffi. Where neither is there, the vectors that need the
full 64 MiB have null for a key, which is said on standard error; smaller ones are computed by the Argon2id below, which
is written in plain Python after RFC 9106 and too slow for more.
"""

import base64
import hashlib
import json
import struct
import sys
import unicodedata
from urllib.parse import unquote_to_bytes

LIST = 7776  # words of the EFF long list

CHANNEL = 1234567
ROOM = "lab"
PASS = "correct horse battery staple"
SPACED = "  Cafe\u0301\u3000\u00a0au\tlait\u2028\u212bngstro\u0308m \n"  # becomes: Café au lait Ångström

# (name, profile, passphrase)
INPUTS = [
    ("fernpost", "fernpost", PASS),
    ("fernpost, spelling", "fernpost", SPACED),
    ("pbkdf2", "pbkdf2", PASS),
    ("pbkdf2, spelling", "pbkdf2", SPACED),
    ("tutorial", "tutorial", "password"),
    ("tutorial, as typed", "tutorial", SPACED),
    ("tutorial, Cyrillic", "tutorial", "пароль"),
    ("SHA-512", "custom:kdf=pbkdf2,hash=sha512,salt=salt_,iterations=100000,wrapper=python", PASS),
    ("another fixed salt", "custom:kdf=pbkdf2,salt=static_salt_value,iterations=100000", PASS),
    ("salt of any bytes", "custom:kdf=pbkdf2,salt=%00%ff%2c%25%40,iterations=1000", PASS),
    ("a million iterations", "custom:kdf=pbkdf2,salt=salt_,iterations=1000000", PASS),
    ("empty salt", "custom:kdf=pbkdf2,salt=,iterations=480000", PASS),
    ("salt from the room's name", "custom:kdf=pbkdf2,salt=@name,iterations=480000", PASS),
    ("room salt, few iterations, SHA-512", "custom:kdf=pbkdf2,hash=sha512,salt=@room,iterations=1", PASS),
    ("normalised custom", "custom:kdf=pbkdf2,salt=salt_,iterations=1000,spelling=nfc", SPACED),
    ("Argon2id with a fixed salt", "custom:kdf=argon2id,salt=saltsalt", SPACED),
    ("SHA-256", "custom:kdf=sha256,wrapper=python", PASS),
    ("filled with 0", "custom:kdf=cut,fill=0", PASS),
    ("filled with NUL", "custom:kdf=cut,fill=%00", PASS),
    ("filled, not ASCII", "custom:kdf=cut,fill=0", "пароль"),
    ("cut", "custom:kdf=cut,fill=0", "a passphrase of more than thirty-two bytes"),
    ("raw key", "custom:kdf=key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
    ("raw key, no padding", "custom:kdf=key", "__79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA"),
]

SPELLINGS = [
    PASS,
    SPACED,
    "",
    " \t\u3000",
    "a\t\n\v\f\r \x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000b",
    "a\x1cb\u200bc\u00add\ufeffe",  # what Python or JavaScript take for white space, or nobody sees
    "\u1e9b\u0323",
    "\uac00\u11a8 \u1112\u1161\u11ab",
]

PRESETS = {
    "fernpost": "custom:kdf=argon2id,salt=@room,spelling=nfc",
    "pbkdf2": "custom:kdf=pbkdf2,hash=sha256,salt=@room,iterations=1200000,spelling=nfc",
    "tutorial": "custom:kdf=pbkdf2,hash=sha256,salt=salt_,iterations=100000",
}

WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def normalize(text):
    text = unicodedata.normalize("NFC", text)
    words = "".join(" " if c in WHITE_SPACE else c for c in text).split(" ")
    return " ".join(word for word in words if word)


def room_salt(channel):
    return hashlib.sha256(b"fernpost/v1 salt\0channel/%d" % channel).digest()[:16]


def derive(profile, passphrase):
    settings = dict(item.split("=", 1) for item in PRESETS.get(profile, profile)[len("custom:") :].split(","))
    if settings.get("spelling") == "nfc":
        passphrase = normalize(passphrase)
    secret = passphrase.encode()
    if settings.get("salt") == "@room":
        salt = room_salt(CHANNEL)
    elif settings.get("salt") == "@name":
        salt = hashlib.sha256(ROOM.encode()).digest()
    else:
        salt = unquote_to_bytes(settings.get("salt", ""))
    if settings["kdf"] == "argon2id":
        return argon2id(secret, salt)
    if settings["kdf"] == "pbkdf2":
        return hashlib.pbkdf2_hmac(settings.get("hash", "sha256"), secret, salt, int(settings["iterations"]), 32)
    if settings["kdf"] == "sha256":
        return hashlib.sha256(secret).digest()
    if settings["kdf"] == "cut":
        return secret[:32].ljust(32, unquote_to_bytes(settings["fill"]))
    if settings["kdf"] == "key":
        return base64.urlsafe_b64decode(passphrase + "=" * (-len(passphrase) % 4))
    raise ValueError(profile)


def argon2id(secret, salt):
    """Argon2id with the costs of the profile fernpost, or None where no library has it."""
    try:
        from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

        return Argon2id(salt=salt, length=32, iterations=3, lanes=4, memory_cost=64 * 1024).derive(secret)
    except ImportError:
        pass
    try:
        from argon2.low_level import Type, hash_secret_raw

        return hash_secret_raw(secret, salt, 3, 64 * 1024, 4, 32, Type.ID)
    except ImportError:
        return None


# Argon2id in plain Python: RFC 9106, section 3. Version 0x13, no secret value, no associated data.

MASK = 0xFFFFFFFFFFFFFFFF


def blake2b_long(data, size):
    data = struct.pack("<I", size) + data
    if size <= 64:
        return hashlib.blake2b(data, digest_size=size).digest()
    out, v = b"", hashlib.blake2b(data).digest()
    while size - len(out) > 64:
        out += v[:32]
        v = hashlib.blake2b(v, digest_size=min(64, size - len(out))).digest()
    return out + v


def mix(v, a, b, c, d):
    for turn_d, turn_b in ((32, 24), (16, 63)):
        v[a] = (v[a] + v[b] + 2 * (v[a] & 0xFFFFFFFF) * (v[b] & 0xFFFFFFFF)) & MASK
        x = v[d] ^ v[a]
        v[d] = (x >> turn_d | x << (64 - turn_d)) & MASK
        v[c] = (v[c] + v[d] + 2 * (v[c] & 0xFFFFFFFF) * (v[d] & 0xFFFFFFFF)) & MASK
        x = v[b] ^ v[c]
        v[b] = (x >> turn_b | x << (64 - turn_b)) & MASK


def permute(block, at):
    v = [block[i] for i in at]
    for a, b, c, d in (
        (0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
        (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14),
    ):  # fmt: skip
        mix(v, a, b, c, d)
    for i, x in zip(at, v):
        block[i] = x


def compress(x, y):
    r = [a ^ b for a, b in zip(x, y)]
    q = list(r)
    for row in range(8):
        permute(q, range(16 * row, 16 * row + 16))
    for column in range(8):
        permute(q, [16 * row + 2 * column + i for row in range(8) for i in (0, 1)])
    return [a ^ b for a, b in zip(r, q)]


def plain_argon2id(secret, salt, passes, memory, lanes, size):
    h0 = hashlib.blake2b(
        struct.pack("<6I", lanes, size, memory, passes, 0x13, 2)
        + struct.pack("<I", len(secret)) + secret
        + struct.pack("<I", len(salt)) + salt
        + struct.pack("<II", 0, 0)
    ).digest()  # fmt: skip
    segment = memory // (4 * lanes)
    columns = 4 * segment
    zero = [0] * 128
    b = [[None] * columns for _ in range(lanes)]
    for lane in range(lanes):
        for column in (0, 1):
            b[lane][column] = struct.unpack("<128Q", blake2b_long(h0 + struct.pack("<II", column, lane), 1024))
    for turn in range(passes):
        for part in range(4):
            for lane in range(lanes):
                addresses = []
                for i in range(segment):
                    column = part * segment + i
                    if turn == 0 and part < 2 and i % 128 == 0:
                        counter = [turn, lane, part, lanes * columns, passes, 2, i // 128 + 1] + [0] * 121
                        addresses = compress(zero, compress(zero, counter))
                    if turn == 0 and column < 2:
                        continue
                    before = b[lane][column - 1]
                    pseudo = addresses[i % 128] if turn == 0 and part < 2 else before[0]
                    j1, other = pseudo & 0xFFFFFFFF, (pseudo >> 32) % lanes
                    if turn == 0 and part == 0:
                        other = lane
                    # How many blocks may be referred to, and where they begin.
                    if turn == 0:
                        done, start = part * segment, 0
                    else:
                        done, start = 3 * segment, (part + 1) * segment % columns
                    area = done + i - 1 if other == lane else done - (1 if i == 0 else 0)
                    relative = area - 1 - (area * (j1 * j1 >> 32) >> 32)
                    block = compress(before, b[other][(start + relative) % columns])
                    if turn > 0:
                        block = [x ^ y for x, y in zip(block, b[lane][column])]
                    b[lane][column] = block
    last = zero
    for lane in range(lanes):
        last = [x ^ y for x, y in zip(last, b[lane][columns - 1])]
    return blake2b_long(struct.pack("<128Q", *last), size)


def digits(number, count):
    """The indices of the words for a number, highest digit first."""
    return [number // LIST**place % LIST for place in reversed(range(count))]


def check_digits(key):
    return digits(int.from_bytes(hashlib.sha256(b"fernpost/v1 check\0" + key).digest()[:8], "big"), 3)


def main():
    keys = []
    for name, profile, passphrase in INPUTS:
        key = derive(profile, passphrase)
        keys.append(
            {
                "name": name,
                "profile": profile,
                "passphrase": passphrase,
                "key": key and base64.urlsafe_b64encode(key).decode(),
                "check": key and check_digits(key),
            }
        )
    missing = sum(1 for vector in keys if vector["key"] is None)
    if missing:
        print(f"{missing} vectors not computed: no Argon2id in cryptography, and no argon2-cffi", file=sys.stderr)
    numbers = ["", "00", "01", "1e60", "ff" * 8, "ff" * 16, hashlib.sha256(b"identity").hexdigest()[:32]]
    vectors = {
        "channel": CHANNEL,
        "room": ROOM,
        "keys": keys,
        "room_salts": [{"channel": c, "salt": room_salt(c).hex()} for c in (1, 9, 1234567, 2**63 - 1)],
        "spellings": [
            {"typed": typed, "normalized": normalize(typed)}
            for typed in SPELLINGS
        ],
        "words": [
            {"number": n, "digits": digits(int(n or "0", 16), count)} for n in numbers for count in (1, 3, 6)
        ],
        "small_argon2id": [
            {"passphrase": PASS, "salt": "saltsalt", "passes": t, "memory": m, "lanes": p,
             "key": plain_argon2id(PASS.encode(), b"saltsalt", t, m, p, 32).hex()}
            for t, m, p in ((1, 8, 1), (3, 32, 4), (3, 64, 1), (2, 640, 1))
        ],
    }  # fmt: skip
    json.dump(vectors, sys.stdout, indent=1)
    print()


main()
