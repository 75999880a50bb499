#!/bin/sh
# Says "pong" to whoever says "ping", with curl and jq: ./ping.sh http://127.0.0.1:8080/rooms/lab header.txt
# The file has one line, "Authorization: Bearer TOKEN": what stands in a command is seen by others on the machine.
set -eu
ask() { curl -fsS -H "@$header" "$@"; }
room=$1 header=$2
while got=$(ask "$room/messages?consumer=ping&wait=30s"); do
	printf '%s' "$got" | jq -r '.messages[] | select(.signed and .text == "ping" and (.own | not)) | "\(.key) \(.number) \(.entry)"' |
		while read -r name; do # which has the answer sent once, also if this was stopped in between
			ask --json '{"text": "pong"}' -H "Idempotency-Key: ping $name" "$room/messages" >&2
		done
	printf '%s' "$got" | jq '{cursor}' | ask --json @- "$room/messages/ack?consumer=ping"
done
