"""Answers as the tutorials' service does: a JSON list of texts on standard input, the bodies of their answers on output."""

import json
import sys

try:
    import flask

    app = flask.Flask(__name__)

    def answer(text):
        with app.test_request_context():
            return flask.jsonify({"decrypted_data": text}).get_data(as_text=True)

except ImportError:

    def answer(text):
        return json.dumps({"decrypted_data": text}, ensure_ascii=True, sort_keys=True, separators=(",", ":")) + "\n"


json.dump([answer(text) for text in json.load(sys.stdin)], sys.stdout, indent=1)
