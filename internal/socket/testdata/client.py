import socket
import sys

from cryptography.fernet import Fernet

key, host, port, text = sys.argv[1:]
with socket.create_connection((host, int(port))) as s:
    s.sendall(Fernet(key).encrypt(text.encode()))
