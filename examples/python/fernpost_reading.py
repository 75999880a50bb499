"""Writes a reading into a signed fernpost room, as a record of its own: values, their fields, their time and their author are
bound by one signature, which every reader checks.

    FERNPOST_KEY=... FERNPOST_WRITE_KEY=... python3 fernpost_reading.py --channel 1234567 --relay http://127.0.0.1:3000 \\
        --identity sensor.json --nick sensor --fields 1,2 1=21.5 2=40 --status warm

The key is the room's Fernet key, 44 characters. The file with the identity is made when it is first used, of mode 0600; it
holds the seed of the key pair, the last number taken, and what the relay has not accepted yet, which the next run posts first.
A number that was used twice looks like a forgery, so one file belongs to one room and one device: never copy it. Needs Python
3.9 and the package cryptography.
"""
import argparse
import hashlib
import json
import os
import secrets
import struct
import sys
import time
import urllib.parse
import urllib.request

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fernpost_record import CELL, SLICE, Refused, key_id, link_to, parse_reading, room_salt, tag_of


def write_reading(values, status="", location=("", "", "")):
    """Returns the body of a reading: values by the number of their field, 1 to 8."""
    mask, body = 0, b""
    for field in sorted(values):
        mask |= 1 << (field - 1)
        body += prefixed(values[field])
    behind = [status, *location]
    while behind and not behind[-1]:
        behind.pop()
    return bytes([mask]) + body + b"".join(prefixed(text) for text in behind)


def prefixed(text):
    raw = text.encode()
    if len(raw) > 255:
        raise ValueError("a value has at most 255 bytes")
    return bytes([len(raw)]) + raw


def sign(private, salt, kid, number, previous, nick, kind, clock, body):
    """Returns a record and its hash. It names nothing as seen."""
    author = public_of(private)
    record = bytes([kind]) + clock.to_bytes(6, "big") + author + previous + bytes(24) + prefixed(nick) + body
    covered = b"fernpost/v1 record\0" + salt + kid + struct.pack(">I", number) + record
    return record + private.sign(covered), hashlib.sha256(covered).digest()


def public_of(private):
    return private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def cells_of(record, tag, number):
    """Cuts a record into cells. Each names the hash of the next one, so the last is made first."""
    stream = len(record).to_bytes(3, "big") + record
    parts = -(-len(stream) // SLICE)
    stream = stream.ljust(parts * SLICE, b"\0")
    cells, link = [], bytes(8)
    for part in reversed(range(parts)):
        head = b"\xfe\x01" + tag + struct.pack(">IHH", number, part, parts) + link
        cells.insert(0, head + stream[part * SLICE : (part + 1) * SLICE])
        link = link_to(cells[0])
    assert all(len(cell) == CELL for cell in cells)
    return cells


class Identity:
    """A key pair with its last number and hash in a room, and the entries that no relay has accepted."""

    def __init__(self, path):
        self.path = path
        try:
            with open(path, encoding="utf-8") as f:
                self.state = json.load(f)
        except FileNotFoundError:
            self.state = {"seed": secrets.token_hex(32), "number": 0, "previous": bytes(16).hex(), "waiting": []}

    def save(self):
        """Writes the file anew; what was there before stays until the new one is on the disk."""
        with open(os.open(self.path + ".new", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
            json.dump(self.state, f)
            f.flush()
            os.fsync(f.fileno())
        os.replace(self.path + ".new", self.path)

    def write(self, args, body):
        """Signs a body, seals its cells, and lays them into entries that wait. The number is taken before anything is posted."""
        fernet = Fernet(args.key)
        kid = key_id(fernet._signing_key + fernet._encryption_key)
        private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self.state["seed"]))
        number = self.state["number"] + 1
        record, full = sign(private, room_salt(args.room or args.channel), kid, number, bytes.fromhex(self.state["previous"]),
                            args.nick, 6, int(args.at * 1000), body)
        tokens = [fernet.encrypt(cell).decode() for cell in cells_of(record, tag_of(public_of(private)), number)]
        for i in range(0, len(tokens), len(args.fields)):
            entry = {"field%d" % field: token for field, token in zip(args.fields, tokens[i:])}
            self.state["waiting"].append(entry)
        self.state["number"], self.state["previous"] = number, full[:16].hex()
        self.save()
        return number

    def post(self, args):
        """Posts what waits, in order. What is posted again after a lost reply is the same, and readers show it once."""
        while self.state["waiting"]:
            form = urllib.parse.urlencode(self.state["waiting"][0]).encode()
            request = urllib.request.Request(args.relay.rstrip("/") + "/update", data=form)
            request.add_header("X-THINGSPEAKAPIKEY", args.write_key)
            with urllib.request.urlopen(request, timeout=30) as reply:
                entry = reply.read().decode().strip()
            if entry == "0":  # too soon after another update
                time.sleep(args.interval)
                continue
            self.state["waiting"].pop(0)
            self.save()
            print("accepted as entry " + entry)


def value(text):
    field, equals, content = text.partition("=")
    if not equals or field not in tuple("12345678"):
        raise argparse.ArgumentTypeError("want FIELD=VALUE with a field from 1 to 8")
    return int(field), content


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("values", nargs="*", type=value, metavar="FIELD=VALUE", help="a value, such as 1=21.5")
    parser.add_argument("--status", default="", help="what stands in the status")
    parser.add_argument("--channel", type=int, required=True, help="the channel's id")
    parser.add_argument("--room", type=int, help="the id of the channel that the room was made on, if it has moved")
    parser.add_argument("--relay", default="https://api.thingspeak.com", help="address of the relay")
    parser.add_argument("--identity", required=True, help="file with the identity; it is made if there is none")
    parser.add_argument("--nick", default="", help="nickname, at most 24 bytes")
    parser.add_argument("--fields", default="1,2,3,4,5,6,7,8", help="the channel's fields that carry the room")
    parser.add_argument("--at", type=float, default=time.time(), help="when it was measured, in seconds since 1970 (default: now)")
    parser.add_argument("--interval", type=float, default=15, help="seconds to wait when the relay says that it is too soon")
    args = parser.parse_args()
    args.fields = [int(field) for field in args.fields.split(",")]
    args.key, args.write_key = os.environ["FERNPOST_KEY"].split()[0], os.environ["FERNPOST_WRITE_KEY"]
    if len(dict(args.values)) < len(args.values):
        parser.error("a field stands there twice")
    try:
        body = write_reading(dict(args.values), args.status)
        parse_reading(body)
    except (Refused, ValueError) as why:
        parser.error("nobody could read this: %s" % why)
    identity = Identity(args.identity)
    identity.write(args, body)
    identity.post(args)


if __name__ == "__main__":
    sys.exit(main())
