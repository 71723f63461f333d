#!/bin/bash
# SPDX-License-Identifier: MIT
# The library built for aarch64: it asks for nothing that an older or another libc lacks, and a
# program under it (qemu-user) does what it does without it: threads, cancellation, exec, stdio,
# syscall(), exits. What qemu-user cannot show: a report of a stuck call, for /proc tells of the
# emulator's own system calls and the library does not believe its record then; that takes a machine.
# The unwinder's own tests for aarch64 are part of `make test`.
# Prints "N passed, N failed".   test-arm64.sh LIBRARY
set -u
library=$1
cross=${CROSS:-aarch64-linux-gnu-}
for tool in "${cross}gcc" "${cross}objdump" qemu-aarch64-static; do
    command -v "$tool" >/dev/null 2>&1 || { echo "left out: no $tool"; exit 0; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export QEMU_LD_PREFIX=${QEMU_LD_PREFIX:-/usr/aarch64-linux-gnu}
passed=0
failed=0
result() {
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok     $2"
    else
        failed=$((failed + 1))
        echo "FAILED $2"
    fi
}

OBJDUMP=${cross}objdump sh scripts/check-library.sh "$library"
result $? "it loads with glibc 2.28 and with musl"

# The same program as tests/integration/life/test_any_libc.py runs.
sed -n '/^EVERYTHING = r"""$/,/^"""$/p' tests/integration/life/test_any_libc.py | sed '1d;$d' \
    >"$folder/everything.c"
"${cross}gcc" -w -pthread -o "$folder/everything" "$folder/everything.c" || exit 1
run() {
    timeout 120 qemu-aarch64-static "$@" "$folder/everything" >"$folder/out" 2>"$folder/err"
    echo "status $?" >>"$folder/out"
}
run
cp "$folder/out" "$folder/expected"
grep -q "status 5" "$folder/expected" && grep -q "cancelled 1" "$folder/expected"
result $? "the program runs alone"
for setting in PIPESHIM=on PIPESHIM=off PIPESHIM_DRAIN=all PIPESHIM_ONLY=none; do
    run -E "LD_PRELOAD=$library" -E "$setting" -E "PIPESHIM_LOG=$folder/log"
    cmp -s "$folder/out" "$folder/expected"
    result $? "the program runs as alone with the library, $setting"
done
# To a pipe: the emulator takes the root of a path that is walked for its own folder.
timeout 120 qemu-aarch64-static -E "LD_PRELOAD=$library" -E PIPESHIM_FORMAT=json \
    "$folder/everything" 2>&1 >/dev/null | cat >"$folder/err"
grep -q '"event":"start".*"stdio":"FILE tables"' "$folder/err"
result $? "it is active, and finds libc's FILE tables"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
