"""Answers every text of a room: python3 echo.py http://127.0.0.1:8080/rooms/lab, with a token in FERNPOST_TOKEN."""
import json, os, sys, urllib.request


def ask(method, path, body=None, once=""):
    headers = {"Authorization": "Bearer " + os.environ["FERNPOST_TOKEN"], "Content-Type": "application/json"}
    if once:  # then it is sent once, also if this bot was stopped before it heard of that
        headers["Idempotency-Key"] = once
    request = urllib.request.Request(sys.argv[1] + path, body and json.dumps(body).encode(), headers, method=method)
    return json.loads(urllib.request.urlopen(request).read() or "null")


while True:
    got = ask("GET", "/messages?consumer=echo&wait=30s")
    for m in got["messages"]:
        if m["text"] and not m["own"]:
            ask("POST", "/messages", {"text": "you said: " + m["text"]}, f"echo {m['key']} {m['number']} {m['entry']}")
    ask("POST", "/messages/ack?consumer=echo", {"cursor": got["cursor"]})
