#!/bin/sh
# SPDX-License-Identifier: MIT
# The Debian package, from the files that git knows and contrib/debian; lintian looks at it where it
# is installed.   make-deb.sh BUILD VERSION
set -eu
build=$1
version=$2
# shellcheck disable=SC2015 # the message is right in both cases
command -v dpkg-buildpackage >/dev/null 2>&1 && command -v dh >/dev/null 2>&1 || {
    echo "make-deb.sh: dpkg-buildpackage and dh are missing; expected dpkg-dev and debhelper: sh scripts/install-dependencies.sh deb" >&2
    exit 1
}
folder=$build/deb/pipeshim-$version
rm -rf "$build/deb"
mkdir -p "$folder"
git ls-files -co --exclude-standard -z | tar --null -T - -cf - | tar -C "$folder" -xf -
cp -R contrib/debian "$folder/debian"
sed -i -e "s/VERSION/$version/" -e "s/DATE/$(LC_ALL=C date -R -d "@$(git log -1 --format=%ct 2>/dev/null || date +%s)")/" "$folder/debian/changelog"
(cd "$folder" && env -u MAKEFLAGS -u MAKELEVEL dpkg-buildpackage -us -uc -b) >"$build/deb/log" 2>&1 || {
    tail -n 40 "$build/deb/log" >&2
    exit 1
}
cp "$build"/deb/pipeshim_*.deb "$build/"
if command -v lintian >/dev/null 2>&1; then
    lintian --allow-root --fail-on error,warning "$build"/deb/pipeshim_*.changes
fi
for package in "$build"/deb/pipeshim_*.deb; do
    echo "  DEB $build/$(basename "$package")"
done
