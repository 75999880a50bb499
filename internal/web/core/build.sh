#!/bin/sh
# Builds the core that stands in the tree, as build.txt says, and packs it: by zopfli where there is one, since what a page loads
# first is mostly this.
set -eu
cd "$(dirname "$0")"
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
command=$(sed -n 2p build.txt)
eval "$command -o '$built/core.wasm' ."
if command -v zopfli >/dev/null; then
	zopfli --i3 "$built/core.wasm"
else
	gzip -9 -n "$built/core.wasm"
fi
mv "$built/core.wasm.gz" core.wasm.gz
printf '%s\n%s\n' "$(go env GOVERSION)" "$command" >build.txt
gzip -dc core.wasm.gz | sha256sum | sed 's/-$/core.wasm/'
