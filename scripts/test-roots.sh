#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs what `make dist` made in systems of other releases: the demo, Python frames of that release's
# Python, the drainer, diagnose with the static tool, the doctor; the last and a stuck write in a
# container as well, where systemd-nspawn makes one. Each root is made once by
# debootstrap. As root. Prints "N passed, N failed"; a root that cannot be made is left out with the
# reason.   test-roots.sh BUILD NAME FOLDER RELEASE...
set -u
# In a mount namespace of its own: whatever ends this, no root is left with the real /dev in it.
[ -n "${PIPESHIM_ROOTS_NAMESPACE:-}" ] ||
    PIPESHIM_ROOTS_NAMESPACE=1 exec unshare --mount --propagation private bash "$0" "$@"
build=$1
name=$2
roots=$3
shift 3
passed=0
failed=0
left_out=0
inside=/opt/pipeshim-test
mirror=${MIRROR:-http://deb.debian.org/debian}
# Of an engine with filters of its own; without a manager of the machine, which may not run.
container="timeout 300 systemd-nspawn --quiet --pipe --register=no --keep-unit"

make_root() {
    [ -x "$roots/$1/usr/bin/python3" ] && [ -e "$roots/$1/.complete" ] && return 0
    command -v debootstrap >/dev/null 2>&1 || { echo "left out: $1: no debootstrap"; return 1; }
    rm -rf "${roots:?}/$1"
    mkdir -p "$roots"
    if ! timeout 300 debootstrap --variant=minbase --include=python3 "$1" "$roots/$1" \
        "$mirror" >"$roots/$1.log" 2>&1; then
        echo "left out: $1: debootstrap failed: $(tail -n 1 "$roots/$1.log")"
        return 1
    fi
    touch "$roots/$1/.complete"
}

# check NAME COMMAND...: runs it in the root; what it prints is shown if it fails.
check() {
    local what=$1
    shift
    check_by "$what" chroot "$root" "$@"
}

# check_by NAME COMMAND...: as it is.
check_by() {
    local what=$1
    shift
    if output=$(timeout 300 "$@" 2>&1 </dev/null); then
        passed=$((passed + 1))
        echo "ok     $release: $what"
    else
        failed=$((failed + 1))
        echo "FAILED $release: $what"
        printf '%s\n' "$output" | sed 's/^/    /'
    fi
}

for release in "$@"; do
    make_root "$release" || { left_out=$((left_out + 1)); continue; }
    root=$roots/$release
    rm -rf "${root:?}$inside"
    mkdir -p "$root$inside"
    tar -xzf "$build/$name.tar.gz" -C "$root$inside" --strip-components=1
    cp tests/roots/*.py "$root$inside/"
    for point in proc dev; do
        mountpoint -q "$root/$point" || mount --rbind --make-rslave "/$point" "$root/$point"
    done
    libc=$(chroot "$root" /bin/sh -c 'ldd --version 2>/dev/null | sed -n "1s/.* //p"')
    echo "$release: glibc $libc, $(chroot "$root" python3 --version 2>&1)"
    check "a program starts" env LD_PRELOAD=$inside/lib/libpipeshim.so /bin/true
    check "doctor" $inside/bin/pipeshim doctor
    for test in "$root$inside"/root_*.py; do
        test=$(basename "$test")
        check "${test%.py}" python3 "$inside/$test" $inside
    done
    umount -R "$root/proc" "$root/dev"
    if [ "$($container -D "$root" /bin/echo works 2>/dev/null </dev/null)" = works ]; then
        # shellcheck disable=SC2086 # words
        check_by "doctor in a container" $container -D "$root" $inside/bin/pipeshim doctor
        # shellcheck disable=SC2086
        check_by "in_container" $container -D "$root" python3 $inside/in_container.py $inside
    else
        echo "left out: $release: a container (systemd-nspawn makes none here)"
    fi
done
echo "$passed passed, $failed failed"
# No root could be made: nothing is proved, and nothing was found to be wrong.
[ "$failed" -eq 0 ] && { [ "$passed" -gt 0 ] || [ "$left_out" -eq "$#" ]; }
