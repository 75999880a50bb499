"""Reads the signed records of a fernpost room, joins their parts and checks who wrote them.

    FERNPOST_KEY=... python3 fernpost_record.py --channel 1234567 --relay http://127.0.0.1:3000
    python3 fernpost_record.py --channel 1234567 --key-file room.key --csv feeds.csv
    python3 fernpost_record.py --vectors vectors.json

The key is the room's Fernet key, 44 characters; after a change of key there is one a line. The read key of a private
channel is taken from FERNPOST_READ_KEY. Lines stand in the order of the feed. Each shows the author's tag, the number, the
name that the author gives, and what was said; the last one is the digest of all of them. What cannot be verified goes to
standard error, and the exit code is then 1. --vectors reads the project's test vectors and prints what stands in them
as JSON.

It is a second implementation of the format that internal/record documents, and leaves out what a reader needs to notice
over time: which numbers are missing, forks, names that two people use, whose device a key is. Needs Python 3.9 and the
package cryptography.
"""
import argparse
import base64
import csv
import hashlib
import io
import json
import os
import re
import struct
import sys
import unicodedata
import urllib.request

from cryptography.exceptions import InvalidSignature
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

CELL = 127
SLICE = 105
MAX_PARTS = 39946
FILLER = b"\xfe\x01" + bytes(CELL - 2)
KINDS = {1: "text", 2: "file", 3: "heartbeat", 4: "key moved", 5: "device", 6: "reading", 7: "letter"}


class Refused(Exception):
    """A cell or record that is not shown; the text is one word that says why."""


# Hashes. Each has a domain of its own, which a zero byte ends.


def digest(domain, *parts):
    return hashlib.sha256(domain.encode() + b"\0" + b"".join(parts)).digest()


def order_digest(salt, lines):
    """The digest of lines in their order: (1, a record's hash) or (2, the hash of the bytes of a token that is no cell)."""
    return digest("fernpost/v1 order", salt, *(bytes([kind]) + hashed for kind, hashed in lines))


def room_salt(channel):
    return digest("fernpost/v1 salt", b"channel/%d" % channel)[:16]


def key_id(fernet_key):
    return digest("fernpost/v1 key id", fernet_key)[:16]


def safety_number(public_key):
    return digest("fernpost/v1 identity", public_key)[:16]


def tag_of(public_key):
    return hashlib.sha256(public_key).digest()[:4]


def link_to(cell):
    return digest("fernpost/v1 link", cell)[:8]


# Cells


class Cell:
    """One cell: mark 1, version 1, tag 4, number 4, part 2, parts 2, link 8, slice 105."""

    def __init__(self, plain):
        if len(plain) != CELL or plain[0] != 0xFE:
            raise Refused("malformed")
        if plain[1] != 1:
            raise Refused("newer")
        if plain == FILLER:
            raise Refused("filler")
        self.plain = plain
        self.tag, self.number, self.part, self.parts, self.link = struct.unpack(">4sIHH8s", plain[2:22])
        self.slice = plain[22:]
        last = self.part == self.parts - 1
        if self.number == 0 or self.part >= self.parts or self.parts > MAX_PARTS or (last and any(self.link)):
            raise Refused("malformed")
        if self.part == 0 and -(-(3 + self.record_size()) // SLICE) != self.parts:
            raise Refused("malformed")

    def record_size(self):
        return int.from_bytes(self.slice[:3], "big")


def join(cells):
    """Joins cells, given as (spot, key id, Cell). Yields (spot, key id, tag, number, record) of every chain that is whole,
    starting at each cell of part 0. A record stands where its last cell does, by the lowest copies. It is None if
    something stands behind it, and a number of cells where there are only some parts of it."""
    groups = {}
    for spot, kid, cell in cells:
        group = groups.setdefault((kid, cell.tag, cell.number, cell.parts), {})
        group.setdefault(link_to(cell.plain), []).append((spot, cell))
    for (kid, tag, number, parts), group in groups.items():
        group = {link: min(copies, key=lambda copy: copy[0]) for link, copies in group.items()}
        whole = False
        for start in [copy for copy in group.values() if copy[1].part == 0]:
            chain = [start]
            while len(chain) < parts:
                copy = group.get(chain[-1][1].link)
                if copy is None or copy[1].part != len(chain):
                    break
                chain.append(copy)
            if len(chain) == parts:
                whole = True
                stream = b"".join(cell.slice for _, cell in chain)
                end = 3 + start[1].record_size()
                record = None if any(stream[end:]) else stream[3:end]
                yield max(spot for spot, _ in chain), kid, tag, number, record
        if not whole:
            yield max(spot for spot, _ in group.values()), kid, tag, number, len(group)


# Records

P = 2**255 - 19
ORDER_8 = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
SMALL_ORDER = (0, 1, P - 1, int.from_bytes(ORDER_8, "little"), P - int.from_bytes(ORDER_8, "little"))


def is_nobodys(public_key):
    """Says whether a key is not canonical or of small order: anybody signs for those, all zeros among them."""
    y = int.from_bytes(public_key, "little") % 2**255  # the highest bit is the sign of x
    return y >= P or y in SMALL_ORDER


def verify(salt, kid, tag, number, record):
    """Returns what a record says, or raises Refused."""
    if record is None:
        raise Refused("malformed")
    if isinstance(record, int):
        raise Refused("incomplete")
    if len(record) < 144:
        raise Refused("forged")
    author, signature = record[7:39], record[-64:]
    if is_nobodys(author):
        raise Refused("malformed")
    covered = b"fernpost/v1 record\0" + salt + kid + struct.pack(">I", number) + record[:-64]
    try:
        Ed25519PublicKey.from_public_bytes(author).verify(signature, covered)
    except (InvalidSignature, ValueError):
        raise Refused("forged") from None
    if tag_of(author) != tag:
        raise Refused("forged")
    r = {"author": author, "number": number, "hash": hashlib.sha256(covered).digest()}
    r.update(parse(salt, author, number, record[:-64]))
    return r


def parse(salt, author, number, record):
    """Reads a record without its signature. What breaks the form is unreadable, and no more than that."""
    r = {"kind": record[0], "clock": int.from_bytes(record[1:7], "big"), "previous": bytes(16), "seen": None}
    r.update({"nick": "", "unreadable": True, "body": {}})
    previous, seen, rest = record[39:55], record[55:79], record[79:]
    nick, rest = cut(rest)
    if nick is None or any(previous) == (number == 1) or (any(seen) and not any(seen[4:8])):
        return r
    r["previous"] = previous
    r["seen"] = parse_seen(seen) if any(seen) else None
    r["nick"] = nick.decode() if possible(nick) else ""
    try:
        r["body"] = parse_body(record[0], rest, salt, author)
        r["unreadable"] = False
    except (Refused, UnicodeDecodeError):
        pass
    return r


def cut(b):
    """Splits off a string that follows its length of one byte."""
    if not b or len(b) < 1 + b[0]:
        return None, None
    return b[1 : 1 + b[0]], b[1 + b[0] :]


def parse_seen(b):
    tag, number, short = struct.unpack(">4sI16s", b)
    if number == 0:
        raise Refused("unreadable")
    return {"tag": tag, "number": number, "hash": short}


def parse_body(kind, b, salt, author):
    if kind == 1:
        return {"text": b.decode()}
    if kind == 2:
        name, rest = cut(b)
        media, content = cut(rest)
        if media is None:
            raise Refused("unreadable")
        return {"name": name.decode(), "media": media.decode(), "content": content}
    if kind == 3:
        if len(b) % 24:
            raise Refused("unreadable")
        return {"seen": [parse_seen(b[i : i + 24]) for i in range(0, len(b), 24)]}
    if kind == 4:
        if len(b) != 16:
            raise Refused("unreadable")
        return {"key": b}
    if kind == 5:
        if len(b) != 96 or is_nobodys(b[:32]) or b[:32] == author:
            raise Refused("unreadable")
        if not any(b[32:]):
            return {"device": b[:32], "withdraws": True}
        try:
            message = b"fernpost/v1 device\0" + salt + author
            Ed25519PublicKey.from_public_bytes(b[:32]).verify(b[32:], message)
        except (InvalidSignature, ValueError):
            raise Refused("unreadable") from None
        return {"device": b[:32], "withdraws": False}
    if kind == 6:
        return parse_reading(b)
    return {}  # of a later version


def parse_reading(b):
    """Reads a mask of fields and their values, then status, latitude, longitude and elevation as far as they are there."""
    if not b:
        raise Refused("unreadable")
    mask, rest, values, behind = b[0], b[1:], {}, []
    for field in range(1, 9):
        if mask >> (field - 1) & 1:
            value, rest = cut(rest)
            if value is None:
                raise Refused("unreadable")
            values[str(field)] = value.decode()
    while rest and len(behind) < 4:
        text, rest = cut(rest)
        if text is None:
            raise Refused("unreadable")
        behind.append(text.decode())
    if rest or not (values or behind) or (behind and not behind[-1]):
        raise Refused("unreadable")
    status, *location = behind + [""] * (4 - len(behind))
    if not all(text == "" or is_decimal(text) for text in location):
        raise Refused("unreadable")
    return {"values": values, "status": status, "location": location}


def is_decimal(text):
    return bool(re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)", text))


def possible(nick):
    """Says whether a nickname may be shown: letters, marks, digits, - _ . and single spaces, in form C, and nothing that
    shows nothing or looks like something else."""
    try:
        text = nick.decode()
    except UnicodeDecodeError:
        return False
    if not text or len(nick) > 24 or unicodedata.normalize("NFC", text) != text or text.endswith(" ") or "  " in text:
        return False
    marks = 0
    for i, char in enumerate(text):
        category = unicodedata.category(char)
        if shows_nothing(text, i) or (category == "Lm" and char not in "々ー"):
            return False
        if category[0] == "L" or category == "Nd":
            marks = 0
        elif i == 0:
            return False
        elif category == "Mc" and ord(char) >> 8 != ord(text[i - 1]) >> 8:
            return False
        elif category[0] == "M":
            marks += 1
            if marks > 4:
                return False
        elif char in " -_.":
            marks = 0
        else:
            return False
    words = text.split(" ")
    if len(words) > 1 and not all(any(unicodedata.category(char)[0] == "L" for char in word) for word in words):
        return False
    return not any(TAG.fullmatch(form) or LINE.search(form) for form in (text, fold(text)))


def fold(text):
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


TAG = re.compile("[0-9a-f]{8}")
# An apostrophe and an s as in "py's phone", or what Unicode's table of confusables takes for them, other than widths
# and fonts of an s, which folding takes away.
DEVICE = ("[\ua78c\u05d9\u144a\u16cc\U00016f51\U00016f52]"
          "[sS\ua731\u01bd\u0455\uabaa\U000118c1\U00010448\u0405\u054f\u13d5\u13da\ua4e2\U00016f3a\U00010296\U00010420]")
# That, a colon, "&", "+", or the word "and", by the same table.
LINE = re.compile(DEVICE + "|[\u0903\u0a83\ua778\U0001029b]|(?<![^ ])"
                  "[aA\u0251\u0391\u03b1\u0410\u0430\u13aa\u15c5\u2c6d\ua4ee\uab7a\U000102a0\U00016f40]"
                  "[nN\u039d\u0548\u054c\u0578\u057c\u2c9a\ua4e0\U00010513]"
                  "[dD\u0500\u0501\u13a0\u13e7\u146f\u15de\u15ea\ua4d2\ua4d3\uab70\uabb7](?![^ ])")
STACKERS = (0x1039, 0x17D2, 0x1A60, 0x11133)
INVISIBLE = (0x1BAB, 0x2D7F, 0xAAF6, 0x10A3F, 0x1107F, 0x1193E, 0x11A47, 0x11A99, 0x11D45, 0x11D97, 0x11F42, 0x13440,
             0x13441, 0x13442, 0x16FE4, 0x1BC9D, 0x1BC9E, 0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D,
             0x180F, 0x3164, 0xFFA0)


def shows_nothing(text, i):
    """Says whether a character leaves no trace: Unicode's properties Other_Default_Ignorable_Code_Point and
    Variation_Selector, signs that only join, and those that put the next letter below, unless they stand between two
    characters of their block of 128, the second a letter; and what fills or turns a sign of SignWriting."""
    code = ord(text[i])
    if code in STACKERS:
        around = (text[i - 1 : i], text[i + 1 : i + 2])
        near = all(c and ord(c) >> 7 == code >> 7 for c in around)
        return not near or unicodedata.category(around[1])[0] != "L"
    if 0x1DA9B <= code <= 0x1DA9F or 0x1DAA1 <= code <= 0x1DAAF:
        return True
    return code in INVISIBLE or 0xFE00 <= code <= 0xFE0F or 0xE0000 <= code <= 0xE0FFF


# A room


def keys_from(path):
    text = open(path).read() if path else os.environ.get("FERNPOST_KEY", "")
    if not text.split():
        sys.exit("no key: set FERNPOST_KEY or name a file with --key-file")
    return text.split()


def feed(args):
    if args.csv:
        with open(args.csv, newline="", encoding="utf-8") as f:
            return f.read()
    request = urllib.request.Request("%s/channels/%d/feeds.csv?results=8000" % (args.relay.rstrip("/"), args.channel))
    if os.environ.get("FERNPOST_READ_KEY"):
        request.add_header("X-THINGSPEAKAPIKEY", os.environ["FERNPOST_READ_KEY"])
    with urllib.request.urlopen(request, timeout=30) as reply:
        return reply.read().decode("utf-8", "replace")


def token_bytes(field):
    """Returns the bytes of a token in a field, or raises Refused. Only what carriers add is taken off: white space around,
    one b'...' or b"...", missing =. What else a lenient decoder would ignore, anybody can add to a token."""
    text = field.strip(" \t\n\v\f\r")
    if len(text) >= 3 and text[:2] in ("b'", 'b"') and text[-1] == text[1]:
        text = text[2:-1]
    text += {2: "==", 3: "="}.get(len(text) % 4, "")
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii"))
    except ValueError:
        raise Refused("no token") from None
    canonical = base64.urlsafe_b64encode(raw).decode() == text
    if not canonical or len(raw) < 73 or (len(raw) - 57) % 16 or raw[0] != 0x80:
        raise Refused("no token")
    return raw


def open_tokens(text, keys):
    """Returns (spot, key id, bytes, plaintext) of every token of a CSV feed that a key opens, where it stands lowest. A spot is
    entry and field; where an entry was shown with several contents, fields go on 8 above."""
    ring = []
    for key in keys:
        fernet = Fernet(key)
        ring.append((key_id(fernet._signing_key + fernet._encryption_key), fernet))
    found = {}
    for row in csv.DictReader(io.StringIO(text)):
        for field in range(1, 9):
            try:
                raw = token_bytes(row.get("field%d" % field) or "")
            except Refused:
                continue
            for kid, fernet in ring:
                try:
                    plain = fernet.decrypt(base64.urlsafe_b64encode(raw))
                except InvalidToken:
                    continue
                at = int(row["entry_id"])
                if raw not in found or at < found[raw][0]:
                    found.pop(raw, None)  # it comes anew, behind those that are there
                    found[raw] = (at, field, kid, plain)
                break
    placed, taken = [], set()
    for raw, (entry, field, kid, plain) in sorted(found.items(), key=lambda one: one[1][0]):
        while (entry, field) in taken:
            field += 8
        if field <= 248:
            taken.add((entry, field))
            placed.append(((entry, field), kid, raw, plain))
    return placed


def read_room(args):
    salt = room_salt(args.room or args.channel)
    cells, lines, bad = [], {}, 0

    def add(spot, author, number, hashed, text):
        """Adds a line, where it stands first: texts have neither author nor number."""
        line = (spot, author, number, hashed, text)
        lines[hashed] = min(line, lines.get(hashed, line))

    for spot, kid, raw, plain in open_tokens(feed(args), keys_from(args.key_file)):
        if len(plain) != CELL or plain[0] != 0xFE:
            add(spot, b"", 0, hashlib.sha256(raw).digest(), "unsigned: " + plain.decode("utf-8", "replace"))
            continue
        try:
            cells.append((spot, kid, Cell(plain)))
        except Refused as why:
            if str(why) != "filler":
                print("entry %d: %s" % (spot[0], why), file=sys.stderr)
                bad = 1
    for spot, kid, tag, number, record in join(cells):
        try:
            r = verify(salt, kid, tag, number, record)
            add(spot, r["author"], number, r["hash"], "~%s %d %s" % (tag.hex(), number, describe(r)))
        except Refused as why:
            print("~%s %d: %s" % (tag.hex(), number, why), file=sys.stderr)
            bad = 1
    ordered = sorted(lines.values())
    for *_, text in ordered:
        print(printable(text))
    order = order_digest(salt, [(1 if author else 2, hashed) for _, author, _, hashed, _ in ordered])
    authors = {author for _, author, *_ in ordered if author}
    print("digest 2: %s, %d lines, %d keys" % (order[:16].hex(), len(ordered), len(authors)))
    return bad


def describe(r):
    who = r["nick"] + ": " if r["nick"] else ""
    kind = KINDS.get(r["kind"], "kind %d" % r["kind"])
    if r["unreadable"]:
        return who + "[unreadable %s]" % kind
    if kind == "text":
        return who + r["body"]["text"]
    if kind == "file":
        return who + "[file %s, %d bytes]" % (r["body"]["name"], len(r["body"]["content"]))
    if kind == "reading":
        return who + show_reading(r["body"])
    if kind == "device":
        how = "withdraws" if r["body"]["withdraws"] else "claims"
        return who + "[%s the device ~%s]" % (how, tag_of(r["body"]["device"]).hex())
    return who + "[%s]" % kind


def show_reading(body):
    """Shows a reading, field1=21.5 field2=40 (warm), with what could be taken for another value in quotes."""

    def quoted(text, dividers):
        return json.dumps(text, ensure_ascii=False) if re.search(dividers, text) or not text else text

    words = ["field%s=%s" % (field, quoted(value, r'[\s"=()]')) for field, value in body["values"].items()]
    words += ["%s=%s" % pair for pair in zip(("latitude", "longitude", "elevation"), body["location"]) if pair[1]]
    if body["status"]:
        words.append("(%s)" % quoted(body["status"], r'[^\S ]|["()]'))
    return " ".join(words)


def printable(text):
    """Takes the control characters out of a stranger's text."""
    return "".join(c if c.isprintable() else " " for c in text)


# Test vectors


def read_vectors(path):
    """Reads the cells of the vectors, and nothing else of them."""
    with open(path, encoding="utf-8") as f:
        v = json.load(f)
    salt = room_salt(v["channel"])
    fernet = Fernet(v["fernet_key"])
    kid = key_id(fernet._signing_key + fernet._encryption_key)
    out = {"salt": salt, "key_id": kid, "authors": [], "records": [], "refused": [], "nicknames": []}
    for author in v["authors"]:
        private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(author["seed"]))
        key = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        out["authors"].append({"key": key, "tag": tag_of(key), "safety": safety_number(key)})
    for record in v["records"]:
        out["records"] += read_cells(salt, kid, record["cells"])
    for refused in v["refused"]:
        out["refused"] += read_cells(salt, kid, refused["cells"])
    out["nicknames"] = [possible(n["nick"].encode()) for n in v["nicknames"]]
    text = hashlib.sha256(token_bytes(v["digest_of_all_records_and_a_text"]["text_token"])).digest()
    out["digest"] = order_digest(salt, [(1, r["hash"]) for r in out["records"]] + [(2, text)])
    json.dump(out, sys.stdout, default=bytes.hex)


def read_cells(salt, kid, cells):
    try:
        chains = list(join([((1, 1), kid, Cell(bytes.fromhex(c))) for c in cells]))
        return [verify(salt, *chain) for _, *chain in chains]
    except Refused as why:
        return [str(why)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--channel", type=int, help="the channel's id")
    parser.add_argument("--room", type=int, help="the id of the channel that the room was made on, if it has moved")
    parser.add_argument("--relay", default="https://api.thingspeak.com", help="address of the relay")
    parser.add_argument("--csv", help="a feed as a file, instead of the relay's")
    parser.add_argument("--key-file", help="a file with the key, instead of FERNPOST_KEY")
    parser.add_argument("--vectors", help="read test vectors and print what stands in them")
    args = parser.parse_args()
    if args.vectors:
        return read_vectors(args.vectors)
    if args.channel is None:
        parser.error("which --channel?")
    return read_room(args)


if __name__ == "__main__":
    sys.exit(main())
