#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what is missing, and nothing (no root needed) when all is there.
#   install-dependencies.sh build|demo|test|bench
set -eu

packages="build-essential pkg-config libunwind-dev libjansson-dev libdw-dev libelf-dev"
case "${1:-build}" in
build | demo) ;;
test)
    # the programs whose loops are tested
    packages="$packages libcmocka-dev binutils python3 python3-requests python3-httpx redis-server redis-tools libglib2.0-dev libuv1-dev iproute2"
    ;;
bench) packages="$packages strace" ;;
*)
    echo "install-dependencies.sh: '$1' is not one of build, demo, test, bench" >&2
    exit 64
    ;;
esac

missing=""
for package in $packages; do
    case "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" in
    installed) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "install-dependencies.sh: missing:$missing; expected Debian's apt-get to install them: install them by hand and run again" >&2
    exit 1
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "install-dependencies.sh: missing:$missing; expected root or sudo to install them: run as root: apt-get install$missing" >&2
        exit 1
    fi
    as_root="sudo"
fi
echo "installing:$missing"
# shellcheck disable=SC2086 # both are lists of words
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
