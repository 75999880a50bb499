"""The /encrypt service as tutorials write it, for bench. Needs flask and cryptography. Takes a file with a key."""
import logging
import socket
import sys

from cryptography.fernet import Fernet
from flask import Flask, jsonify, request
from werkzeug.serving import make_server

app = Flask("encrypt")
fernet = Fernet(open(sys.argv[1]).read().strip())
logging.getLogger("werkzeug").setLevel(logging.ERROR)


@app.post("/encrypt")
def encrypt():
    return jsonify(encrypted_data=fernet.encrypt(request.get_json()["data"].encode()).decode())


listening = socket.socket()
listening.bind(("127.0.0.1", 0))
listening.listen(128)
server = make_server("127.0.0.1", listening.getsockname()[1], app, threaded=True, fd=listening.fileno())
print("listening on http://127.0.0.1:%d" % listening.getsockname()[1], flush=True)
server.serve_forever()
