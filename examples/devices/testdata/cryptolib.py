"""MicroPython's cryptolib, as far as fernet.py needs it, over the package cryptography."""
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


class aes:
    def __init__(self, key, mode, iv):
        assert mode == 2
        self.cipher = Cipher(algorithms.AES(key), modes.CBC(iv))

    def encrypt(self, blocks):
        return self.cipher.encryptor().update(blocks)

    def decrypt(self, blocks):
        return self.cipher.decryptor().update(blocks)
