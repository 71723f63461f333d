#!/bin/bash
# SPDX-License-Identifier: MIT
# The library, the static tool and the unit tests for aarch64 on an emulated machine: qemu-system with
# Debian's arm64 kernel, which boots from memory. Stacks of C and Python, drained and not, diagnose, doctor.
# Takes minutes. Prints a line for each and "N passed, N failed".   test-aarch64.sh BUILD ROOT
#   ROOT: an arm64 system of Debian, made here once, that the cross compiler links against.
# What an emulator cannot show is said at the end. UNITS: a pattern of unit tests, for these alone.
set -u
build=$1
root=$2
release=${RELEASE:-bookworm}
mirror=${MIRROR:-http://deb.debian.org/debian}
cross=${CROSS:-aarch64-linux-gnu-}
packages=python3,libcmocka-dev,libjansson-dev,libdw-dev,libelf-dev,libncurses-dev,zlib1g-dev,liblzma-dev,libbz2-dev,libc6-dev,libstdc++-12-dev,busybox-static,linux-image-arm64
for tool in qemu-system-aarch64 debootstrap cpio "${cross}gcc"; do
    command -v "$tool" >/dev/null 2>&1 || { echo "left out: no $tool"; exit 0; }
done

# Nothing of it is run while it is made, so no emulator is needed for that: packages are unpacked only.
make_root() {
    [ -e "$root/.complete" ] && return 0
    rm -rf "${root:?}"
    mkdir -p "$(dirname "$root")"
    debootstrap --foreign --arch=arm64 --variant=minbase "--include=$packages" "$release" "$root" \
        "$mirror" >"$root.log" 2>&1 || { echo "left out: debootstrap failed: $(tail -n 1 "$root.log")"; return 1; }
    for package in "$root"/var/cache/apt/archives/*.deb; do
        dpkg-deb -x "$package" "$root" || return 1
    done
    # Who is at the other end of a socket is told by these; all else that is needed is in the kernel.
    mkdir -p "$root/modules"
    find "$root/lib/modules/" -name '*_diag.ko' -exec mv {} "$root/modules/" \;
    rm -rf "$root"/var/cache/apt/archives "$root"/usr/share/{doc,man,locale} "$root"/lib/modules
    touch "$root/.complete"
}
make_root || exit 0

units=""
for source in tests/unit/${UNITS:-test_*}.c; do
    units="$units $build/${source%.c}"
done
# shellcheck disable=SC2086 # a list of words
${MAKE:-make} CC="${COMPILER_CACHE:-} ${cross}gcc --sysroot=$root" BUILD="$build" WERROR='' CI='' \
    LDFLAGS="-L$(echo "$root"/usr/lib/gcc/aarch64-linux-gnu/*)" \
    "$build/libpipeshim.so" "$build/static/pipeshim" "$build/victims/engine" $units || exit 1
OBJDUMP=${cross}objdump sh scripts/check-library.sh "$build/libpipeshim.so" || exit 1

inside=$root/opt/pipeshim
rm -rf "$inside"
mkdir -p "$inside"/{lib,bin,build/tests/unit,build/victims}
"${cross}strip" -o "$inside/lib/libpipeshim.so" "$build/libpipeshim.so"
"${cross}strip" -o "$inside/bin/pipeshim" "$build/static/pipeshim"
ln -s ../lib/libpipeshim.so "$inside/build/libpipeshim.so"
ln -s ../bin/pipeshim "$inside/build/pipeshim"
cp "$build/victims/engine" "$inside/build/victims/"
# shellcheck disable=SC2086
cp $units "$inside/build/tests/unit/"
cp tests/roots/*.py scripts/demo.sh "$inside/"
install -m 755 tests/aarch64/init.sh "$root/init"
image=$build/machine.cpio
(cd "$root" && find . \( -path ./boot -o -path ./usr/include -o -path ./var/cache -o -path ./debootstrap \
    -o -name '*.a' \) -prune -o -print0 | cpio --null --quiet -o -H newc) >"$image" || exit 1

# All of arm64's extensions, with signed return addresses (pauth) by the emulator's fast rule.
timeout "${MACHINE_SECONDS:-3000}" qemu-system-aarch64 -M virt -cpu max,pauth-impdef=on -smp 2 -m 2048 -nic none \
    -kernel "$root"/boot/vmlinuz-* -initrd "$image" -nographic -no-reboot \
    -append "console=ttyAMA0 quiet panic=-1 rdinit=/init" </dev/null 2>&1 | sed -u 's|\r||g' | tee "$build/machine.log"
rm -f "$image"
echo "not shown by an emulated machine: times (each instruction is translated), and what the memory order of a real"
echo "processor does; not in its system: Node.js, a compiler (tests of test_symbols and test_dynamic_symbols want one)"
grep -q "the machine ends" "$build/machine.log" && grep -q " passed, 0 failed" "$build/machine.log"
