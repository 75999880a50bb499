#!/usr/bin/env bash
# Builds what a release consists of, below a directory (dist, if none is named): archives with the programs, packages for
# Debian and for Red Hat, what is in each of them (CycloneDX), and their check sums.
#
#   examples/release/build.sh v1.2.3 [DIR]
#   TARGETS='linux/amd64 linux/arm64' examples/release/build.sh v1.2.3 [DIR]
#
# It takes Go, tar, gzip, zip and the tools pinned in .ci/go.mod. The same source and the same Go give the same bytes, in
# whatever folder and whenever; their clock is SOURCE_DATE_EPOCH, or that of the last commit.
set -euo pipefail
version=${1:?a version, such as v1.2.3}
top=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "${2:-dist}"
dist=$(cd "${2:-dist}" && pwd)
# Else an archive keeps what was in it, and SHA256SUMS names what an earlier version left.
[ -z "$(ls -A "$dist")" ] || { echo "$dist is not empty: name another directory, or remove it first" >&2; exit 2; }
cd "$top"
[[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$ ]] || { echo "$version is no version such as v1.2.3" >&2; exit 2; }
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} TZ=UTC LC_ALL=C GOFLAGS=-buildvcs=false CGO_ENABLED=0
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tool() { go tool -modfile="$top/.ci/go.mod" "$@"; }
build() { # DIRECTORY ENDING
	for program in fernpost fernpost-relay; do
		go build -trimpath -ldflags "-s -w -buildid= -X github.com/fernpost/fernpost/internal/relay/relaycmd.release=$version" \
			-o "$1/$program$2" "./cmd/$program"
	done
}

# What is the same for every system is made once, by the program as this machine runs it.
build "$work/here" ''
share=$work/share
mkdir -p "$share/completions"
cp LICENSE README.md config.example.yaml "$share"
"$work/here/fernpost" licenses >"$share/LICENSES.txt"
"$work/here/fernpost" -q man "$share/man"
for shell in bash zsh fish powershell; do
	"$work/here/fernpost" completion "$shell" >"$share/completions/fernpost.$shell"
done

pack() { # DIRECTORY ARCHIVE
	find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	case $2 in
	*.zip) (cd "$(dirname "$1")" && find "$(basename "$1")" -type f | sort | zip -q -X -@ "$2") ;;
	*) tar -C "$(dirname "$1")" --sort=name --owner=0 --group=0 --numeric-owner --format=ustar -cf - "$(basename "$1")" | gzip -9n >"$2" ;;
	esac
}

package() { # DIRECTORY ARCHITECTURE
	local root=$work/package-$2
	mkdir -p "$root/man" "$root/units"
	for page in "$share"/man/*.1; do
		gzip -9nc "$page" >"$root/man/$(basename "$page").gz"
	done
	for unit in examples/deploy/*.service; do
		sed 's|/usr/local/bin|/usr/bin|; s|copy the program to /usr/bin and this file to .*, then|in the package; then|' "$unit" >"$root/units/$(basename "$unit")"
	done
	find "$root" "$1" "$share" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	for kind in deb rpm; do
		BINARIES=$1 SHARE=$share PACKAGE=$root ARCH=$2 VERSION=$version \
			tool nfpm package -f examples/release/nfpm.yaml -p "$kind" -t "$dist" >"$work/nfpm.log" 2>&1 || { cat "$work/nfpm.log" >&2; return 1; }
	done
}

for target in ${TARGETS:-linux/amd64 linux/arm64 linux/arm darwin/amd64 darwin/arm64 windows/amd64}; do
	export GOOS=${target%/*} GOARCH=${target#*/} GOARM=6
	ending='' archive=tar.gz arch=$GOARCH
	[ "$GOOS" != windows ] || { ending=.exe archive=zip; }
	[ "$GOARCH" != arm ] || arch=armv6
	name=fernpost-${version#v}-$GOOS-$arch
	echo "$name"
	mkdir "$work/$name"
	build "$work/$name" "$ending"
	(unset GOOS GOARCH GOARM; tool cyclonedx-gomod bin -json -licenses -noserial -version "$version" -output "$dist/$name.cdx.json" "$work/$name/fernpost$ending" 2>"$work/sbom.log") ||
		{ cat "$work/sbom.log" >&2; exit 1; }
	# It writes down when it was run.
	sed -i "s/^\(    \"timestamp\": \).*/\1\"$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)\",/" "$dist/$name.cdx.json"
	if [ "$GOOS" = linux ]; then
		(unset GOOS GOARCH GOARM; package "$work/$name" "${arch/v/}")
	fi
	cp -r "$share/." "$work/$name"
	[ "$GOOS" != linux ] || cp -r examples/deploy "$work/$name/deploy"
	pack "$work/$name" "$dist/$name.$archive"
done
cd "$dist"
sha256sum fernpost* >SHA256SUMS
