#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# shellcheck shell=dash
# The first process of the emulated machine of scripts/test-aarch64.sh: runs what is in /opt/pipeshim and
# prints a line for each, "N passed, N failed" and the end.
here=/opt/pipeshim
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH HOME=/root PIPESHIM_BUILD=$here/build
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mkdir -p /dev/shm /dev/pts /tmp /run
/bin/busybox mount -t tmpfs tmp /tmp
/bin/busybox mount -t tmpfs shm /dev/shm
/bin/busybox mount -t devpts pts /dev/pts
/bin/busybox ln -sf /proc/self/fd /dev/fd
/bin/busybox ip link set lo up
for module in inet tcp unix; do
    /bin/busybox insmod "/modules/${module}_diag.ko"
done
passed=0
failed=0
check() {
    what=$1
    shift
    if timeout 900 "$@" >/tmp/output 2>&1 </dev/null; then
        passed=$((passed + 1))
        echo "ok     $what"
    else
        echo "FAILED $what (status $?)"
        failed=$((failed + 1))
        /bin/busybox tail -n 25 /tmp/output | /bin/busybox sed 's/^/    /'
    fi
}
cd $here || exit 1
echo "$(uname -srm), glibc $(ldd --version | /bin/busybox sed -n '1s/.* //p'), $(python3 --version)"
check "a program starts" env LD_PRELOAD=$here/lib/libpipeshim.so /bin/true
check "doctor" $here/bin/pipeshim doctor
for test in "$here"/root_*.py; do
    check "$(basename "$test" .py)" python3 "$test" $here
done
check "demo: a C program's deadlock with its stacks" sh demo.sh build
# test_python_running wants a snapshot of memory within some microseconds: a matter of luck here.
again() {
    for _ in 1 2 3 4 5 6 7 8 9; do
        "$@" && return 0
    done
    return 1
}
for test in build/tests/unit/test_*; do
    case $test in
    */test_python_running) again "$test" >/dev/null 2>&1; check test_python_running test $? -eq 0 ;;
    *) check "$(basename "$test")" "$test" ;;
    esac
done
echo "$passed passed, $failed failed"
echo "the machine ends"
/bin/busybox poweroff -f
