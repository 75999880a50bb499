"""Does what standard input asks for, a line each, with micropython/fernet.py:

    seal KEY SECONDS IV TEXT      answers a token; IV and TEXT are hexadecimal digits, TEXT behind an "x"
    open KEY TOKEN                answers the seconds and the text, or "refused"
"""
import binascii
import sys

import fernet


def answer(line):
    words = line.split()
    try:
        if words[0] == "seal":
            return fernet.seal(words[1], binascii.unhexlify(words[4][1:]), int(words[2]), binascii.unhexlify(words[3]))
        text = fernet.unseal(words[1], words[2])
        return "%d x%s" % (fernet.sealed_at(words[2]), binascii.hexlify(text).decode())
    except ValueError:
        return "refused"


if __name__ == "__main__":
    for line in sys.stdin:
        print(answer(line))
