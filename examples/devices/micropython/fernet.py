"""Fernet tokens (https://github.com/fernet/spec) for MicroPython, and for CPython alike.

A board has no time to make a key out of a passphrase: "fernpost key derive" makes it beforehand, on a computer.
"""
import binascii
import hashlib
import os
import time

try:
    from cryptolib import aes as _aes  # in the firmware of most boards
except ImportError:
    _aes = None


def seal(key, text, seconds=None, iv=None):
    """Returns the token of bytes. The token says in clear when it was made, in seconds since 1970: now, if none are given."""
    signing, encryption = _halves(key)
    if seconds is None:
        seconds = _now()
    if iv is None:
        iv = os.urandom(16)
    fill = 16 - len(text) % 16
    body = b"\x80" + seconds.to_bytes(8, "big") + iv + _encrypt(encryption, iv, text + bytes([fill]) * fill)
    return _base64(body + _hmac(signing, body))


def unseal(key, token):
    """Returns the bytes of a token, or raises ValueError if the key does not open it: it is another one, or somebody
    altered the token. Who must not be told an old value for a new one looks at the time as well."""
    signing, encryption = _halves(key)
    raw = _unbase64(token)
    body, mac = raw[:-32], raw[-32:]
    if len(body) < 41 or len(body) % 16 != 9 or body[0] != 0x80 or not _same(mac, _hmac(signing, body)):
        raise ValueError("the key does not open this token")
    padded = _decrypt(encryption, body[9:25], body[25:])
    fill = padded[-1]
    if not 1 <= fill <= 16 or padded[-fill:] != bytes([fill]) * fill:
        raise ValueError("the token is badly made")
    return padded[:-fill]


def sealed_at(token):
    """Returns when a token says that it was made, in seconds since 1970. unseal says whether that is true."""
    return int.from_bytes(_unbase64(token)[1:9], "big")


def _halves(key):
    raw = _unbase64(key)
    if len(raw) != 32:
        raise ValueError("a key has 44 characters")
    return raw[:16], raw[16:]


def _now():
    # Boards count from 2000, computers from 1970.
    return int(time.time()) + (946684800 if time.gmtime(0)[0] == 2000 else 0)


def _base64(raw):
    return binascii.b2a_base64(raw).decode().strip().replace("+", "-").replace("/", "_")


def _unbase64(text):
    if isinstance(text, str):
        text = text.encode()
    try:
        raw = binascii.a2b_base64(text.replace(b"-", b"+").replace(b"_", b"/"))
    except Exception:  # not every firmware raises ValueError
        raw = b""
    if _base64(raw).encode() != text:
        raise ValueError("this is no base64url")
    return raw


def _hmac(key, data):
    key = key + bytes(64 - len(key))
    inner = hashlib.sha256(bytes([b ^ 0x36 for b in key]) + data).digest()
    return hashlib.sha256(bytes([b ^ 0x5C for b in key]) + inner).digest()


def _same(a, b):
    """Compares in a time that does not tell where the first difference is."""
    difference = len(a) ^ len(b)
    for x, y in zip(a, b):
        difference |= x ^ y
    return difference == 0


def _encrypt(key, iv, blocks):
    if _aes:
        return _aes(key, 2, iv).encrypt(blocks)  # 2 is CBC
    out, rounds = b"", _round_keys(key)
    for at in range(0, len(blocks), 16):
        iv = _encrypt_block(rounds, _xor(blocks[at : at + 16], iv))
        out += iv
    return out


def _decrypt(key, iv, blocks):
    if _aes:
        return _aes(key, 2, iv).decrypt(blocks)
    out, rounds = b"", _round_keys(key)
    for at in range(0, len(blocks), 16):
        block = blocks[at : at + 16]
        out += _xor(_decrypt_block(rounds, block), iv)
        iv = block
    return out


# AES-128 (FIPS 197), for where there is no cryptolib. A block is 16 bytes, column by column.


def _xor(a, b):
    return bytes([x ^ y for x, y in zip(a, b)])


def _twice(a):
    """Multiplies by x in the field of 256 elements."""
    return (a << 1 ^ (0x11B if a & 0x80 else 0)) & 0xFF


def _make_sbox():
    sbox = bytearray(256)
    p = q = 1  # p goes through all elements by multiplying with 3, and q is its inverse, by dividing by 3
    while True:
        p ^= _twice(p)
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q = (q ^ (0x09 if q & 0x80 else 0)) & 0xFF
        sbox[p] = 0x63
        for turn in range(5):
            sbox[p] ^= (q << turn | q >> (8 - turn)) & 0xFF
        if p == 1:
            sbox[0] = 0x63  # 0 has no inverse
            return sbox


_SBOX = _make_sbox()
_INVERSE = bytearray(256)
for _i in range(256):
    _INVERSE[_SBOX[_i]] = _i
_ROWS = bytes([(i + 4 * (i % 4)) % 16 for i in range(16)])  # row r comes from r columns further on
_BACK = bytes([(i - 4 * (i % 4)) % 16 for i in range(16)])


def _round_keys(key):
    keys, constant = [key], 1
    for _ in range(10):
        last = keys[-1]
        word = bytes([_SBOX[last[12 + (i + 1) % 4]] ^ (constant if i == 0 else 0) for i in range(4)])
        new = b""
        for at in range(0, 16, 4):
            word = _xor(word, last[at : at + 4])
            new += word
        keys.append(new)
        constant = _twice(constant)
    return keys


def _mix(block):
    out = bytearray(16)
    for c in range(0, 16, 4):
        column = block[c : c + 4]
        every = column[0] ^ column[1] ^ column[2] ^ column[3]
        for r in range(4):
            out[c + r] = column[r] ^ every ^ _twice(column[r] ^ column[(r + 1) % 4])
    return out


def _encrypt_block(rounds, block):
    block = _xor(block, rounds[0])
    for n in range(1, 11):
        block = [_SBOX[block[i]] for i in _ROWS]
        if n < 10:
            block = _mix(block)
        block = _xor(block, rounds[n])
    return block


def _decrypt_block(rounds, block):
    for n in range(10, 0, -1):
        block = _xor(block, rounds[n])
        if n < 10:
            block = _mix(_mix(_mix(block)))  # four times is not at all, so three times is back
        block = bytes([_INVERSE[block[i]] for i in _BACK])
    return _xor(block, rounds[0])
