#!/usr/bin/env bash
# Tries what build.sh makes: the same bytes from two folders, the packages' contents, and the Debian package installed on a
# clean Debian, where "fernpost demo" runs. It takes root, debootstrap, rpm and some minutes.
#
#   examples/release/check.sh
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
for program in debootstrap dpkg-deb rpm zip; do
	command -v "$program" >/dev/null || { echo "there is no $program (Debian: apt install $program)" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1700000000 TARGETS=${TARGETS:-linux/amd64 windows/amd64} TZ

for folder in one "another folder"; do
	mkdir -p "$work/$folder"
	git -C "$top" ls-files -z --cached --others --exclude-standard | tar -C "$top" --null -T - -cf - | tar -C "$work/$folder" -xf -
	TZ=$([ "$folder" = one ] && echo UTC || echo Asia/Tokyo)
	(cd "$work/$folder" && examples/release/build.sh v0.0.1 >/dev/null)
done
diff "$work/one/dist/SHA256SUMS" "$work/another folder/dist/SHA256SUMS"
cd "$work/one/dist"
sha256sum -c --quiet SHA256SUMS
echo "the same bytes from two folders:"
cat SHA256SUMS
grep -q github.com/go-resty/resty/v2 fernpost-0.0.1-linux-amd64.cdx.json
rpm -qpl --nosignature fernpost-0.0.1-1.x86_64.rpm | grep -x -e /usr/bin/fernpost -e /usr/share/man/man1/fernpost-send.1.gz | wc -l | grep -qx 2

root=$work/debian
debootstrap --variant=minbase stable "$root" >"$work/debootstrap.log" || { tail "$work/debootstrap.log"; exit 1; }
cp fernpost_0.0.1_amd64.deb "$root/tmp"
run() { env -i PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8 chroot "$root" "$@"; }
run dpkg -i /tmp/fernpost_0.0.1_amd64.deb
run fernpost version | grep '^fernpost v0.0.1 '
run fernpost-relay --version | grep -x 'fernpost-relay version v0.0.1'
run fernpost demo >"$work/demo" 2>&1 || { cat "$work/demo"; exit 1; }
tail -n 5 "$work/demo"
run fernpost licenses --list | grep -x fernpost
[ -z "$(run dpkg --verify fernpost | grep -v '/usr/share/\(doc\|man\)/')" ] # a small Debian leaves those out
run dpkg --purge fernpost
[ ! -e "$root/usr/bin/fernpost" ]
echo "the package was installed on a clean Debian, ran the demo, and was removed"
