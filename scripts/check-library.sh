#!/bin/sh
# SPDX-License-Identifier: MIT
# What would keep a preloaded library from loading, or make a start fatal, on a system that it is
# not built on: newer symbol versions than glibc 2.28, other libraries, an executable stack,
# relocations in text, relative relocations that older loaders do not know. One line each.
#   check-library.sh LIBRARY
set -eu
library=$1
{
    ${OBJDUMP:-objdump} -T "$library" | awk '
    /\*UND\*/ && match($0, /GLIBC_[0-9A-Z_.]+/) {
        version = substr($0, RSTART + 6, RLENGTH - 6)
        split(version, part, ".")
        if (version !~ /^[0-9]/ || part[1] > 2 || part[2] > 28)
            print $NF " is of GLIBC_" version "; expected GLIBC_2.28 at most"
        # musl has these two, and hides its own __getauxval, which libgcc asks for on aarch64.
        if ($NF ~ /^__/ && $NF !~ /^__(errno_location|environ)$/ && $2 != "w")
            print $NF " is private to glibc; expected names that every libc has"
    }'
    ${OBJDUMP:-objdump} -p "$library" | awk '
    $1 == "NEEDED" && $2 != "libc.so.6" { print "needs " $2 "; expected libc.so.6 alone" }
    $1 == "TEXTREL" { print "has relocations in text" }
    $1 == "RELR" { print "has relative relocations that glibc before 2.36 does not know" }
    $1 == "STACK" { stack = 1 }
    stack && /flags/ { if ($NF ~ /x/) print "wants an executable stack"; stack = 0 }
    $NF ~ /^GLIBC_[A-Z]/ { print "needs " $NF ", which older loaders do not know" }'
} | awk -v library="$library" '{ print library ": " $0; bad = 1 } END { exit bad }' >&2
