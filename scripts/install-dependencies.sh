#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs what is missing, and nothing (no root needed) when all is there. Tests also want a
# browser, benches the tools and servers to compare with, and say so when they have to do without.
#   install-dependencies.sh build|demo|test|corpus|unwind|dist|roots|arm64|aarch64|deb|bench|lint|fuzz
set -eu

packages="build-essential pkg-config libjansson-dev libdw-dev libelf-dev libncurses-dev"
wanted=""
case "${1:-build}" in
build | demo) ;;
test)
    packages="$packages libcmocka-dev libunwind-dev binutils python3"
    command -v chromium >/dev/null 2>&1 || wanted="chromium"
    # Node as it is installed here, and npm for the other versions.
    command -v node >/dev/null 2>&1 || wanted="$wanted nodejs"
    command -v npm >/dev/null 2>&1 || wanted="$wanted npm"
    command -v go >/dev/null 2>&1 || wanted="$wanted golang-go"
    # The programs whose loops are tested.
    for package in python3-requests python3-httpx redis-server redis-tools libglib2.0-dev libuv1-dev iproute2 valgrind e2fsprogs busybox-static musl-tools systemd tmux zsh fish python3-yaml strace; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || wanted="$wanted $package"
    done
    ;;
corpus)
    packages="$packages python3 strace lsof gdb"
    # What the programs that hang are written in; a case whose runtime is missing is left out.
    command -v node >/dev/null 2>&1 || wanted="nodejs"
    command -v perl >/dev/null 2>&1 || wanted="$wanted perl"
    command -v javac >/dev/null 2>&1 || wanted="$wanted default-jdk-headless"
    command -v rustc >/dev/null 2>&1 || wanted="$wanted rustc"
    ;;
unwind) packages="$packages libunwind-dev binutils python3 gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static" ;;
dist) packages="$packages zlib1g-dev liblzma-dev libbz2-dev python3" ;;
roots) packages="$packages zlib1g-dev liblzma-dev libbz2-dev python3 debootstrap" ;;
arm64) packages="$packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static" ;;
aarch64) packages="$packages gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-system-arm debootstrap cpio zlib1g-dev liblzma-dev libbz2-dev" ;;
deb) packages="$packages python3 debhelper dpkg-dev lintian" ;;
bench)
    packages="$packages libunwind-dev python3 strace"
    # The tools and the servers beside which it is measured; what cannot be had is left out.
    command -v node >/dev/null 2>&1 || wanted="nodejs"
    command -v nginx >/dev/null 2>&1 || [ -x /usr/sbin/nginx ] || wanted="$wanted nginx-light"
    for package in linux-perf bpftrace sysprof valgrind redis-server redis-tools iproute2; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || wanted="$wanted $package"
    done
    ;;
fuzz)
    packages="$packages clang"
    command -v node >/dev/null 2>&1 || wanted="nodejs"
    ;;
lint) packages="$packages libunwind-dev libcmocka-dev clang-format clang-tidy shellcheck pyflakes3" ;;
*)
    echo "install-dependencies.sh: '$1' is not one of build, demo, test, corpus, unwind, dist, roots, arm64, aarch64, deb, bench, lint, fuzz" >&2
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
[ -n "$missing$wanted" ] || exit 0

if [ -z "$missing" ] && { ! command -v apt-get || ! { [ "$(id -u)" -eq 0 ] || sudo -n true; }; } >/dev/null 2>&1; then
    exit 0
fi
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
echo "installing:$missing $wanted"
# Whoever holds apt's locks is waited for: a machine that has just started brings itself up to date. apt
# itself waits for dpkg's lock, if told to, and never for that of its lists.
patience=${APT_SECONDS:-600}
run_apt() {
    $as_root env LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -o "DPkg::Lock::Timeout=$patience" "$@"
}
update_lists() {
    until said=$(run_apt update -qq 2>&1); do
        case "$said" in *"Could not get lock"*) ;; *) patience=0 ;; esac
        if [ "$patience" -le 0 ]; then
            printf '%s\n' "$said" >&2
            return 1
        fi
        sleep 2
        patience=$((patience - 2))
    done
}
update_lists || [ -z "$missing" ]
install() {
    run_apt install -y -qq --no-install-recommends "$@" >/dev/null
}
# shellcheck disable=SC2086
[ -z "$missing" ] || install $missing
# shellcheck disable=SC2086
[ -z "$wanted" ] || install $wanted 2>/dev/null || echo "$wanted could not be installed: what needs it is left out"
