#!/usr/bin/env bash
# Fernet tokens (https://github.com/fernet/spec) with openssl:
#
#     FERNET_KEY=… ./fernet.sh seal < text > token
#     FERNET_KEY=… ./fernet.sh open < token > text
#
# openssl takes a key on its command line only, where other users of the machine see it while it works: on a machine that is
# not yours alone take another one of these examples.
set -euo pipefail
export LC_ALL=C

fail() { echo "error: $*" >&2; exit 1; }
hex() { od -An -v -tx1 | tr -d ' \n'; }                            # bytes into digits
bytes() { [ -z "$1" ] || printf "$(sed 's/../\\x&/g' <<<"$1")"; } # and back
base64url() { openssl base64 -A | tr '+/' '-_'; }
unbase64url() { tr -- '-_' '+/' | tr -d '\n' | openssl base64 -d -A; }
mac() { bytes "$1" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$signing" -binary | hex; }

key=$(printf %s "${FERNET_KEY:?the key of 44 characters}" | unbase64url | hex)
[ ${#key} = 64 ] || fail "a key has 44 characters"
signing=${key:0:32} encryption=${key:32}

case ${1:-} in
seal)
	# Version, time, iv, ciphertext, and a MAC over all of them.
	iv=$(openssl rand -hex 16)
	body=80$(printf %016x "$(date +%s)")$iv$(openssl enc -aes-128-cbc -K "$encryption" -iv "$iv" | hex)
	bytes "$body$(mac "$body")" | base64url
	echo
	;;
open)
	token=$(tr -d '\n')
	raw=$(unbase64url <<<"$token" | hex)
	[ ${#raw} -ge 146 ] && [ "$(bytes "$raw" | base64url)" = "$token" ] || fail "this is no token"
	body=${raw:0:-64}
	# MACs are compared by their own MACs: how long that takes says nothing about them.
	[ "${raw:0:2}" = 80 ] && [ "$(mac "$(mac "$body")")" = "$(mac "${raw: -64}")" ] || fail "the key does not open this token"
	bytes "${body:50}" | openssl enc -d -aes-128-cbc -K "$encryption" -iv "${body:18:32}"
	;;
*) fail "seal or open?" ;;
esac
