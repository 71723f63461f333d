#!/bin/sh
# SPDX-License-Identifier: MIT
# The rule of the rooms: a file under shim/ includes files of its own folder and of folders to the
# left of it; the tool (cli) only those that are named for it. And no two files (X.c and X.h are one)
# include each other in a circle. Prints what breaks it; the exit status is 0 if nothing does.
set -eu
order="base facts config process slots kernel explain graph drain report watch doors main"
for_cli="base facts config kernel explain graph report cli"
includes=$(git ls-files -co --exclude-standard 'shim/*.[ch]' 'shim/*.def' |
    xargs grep -sHn '^#include "' || :) # one that is deleted but not committed is no error
status=0

printf '%s\n' "$includes" | awk -F '[/:"]' -v order="$order" -v for_cli=" $for_cli " '
BEGIN {
    count = split(order, name, " ")
    for (i = 1; i <= count; i++)
        rank[name[i]] = i
}
{
    split($0, part, "\"")
    split(part[2], to, "/")
    if ($2 == "cli" ? index(for_cli, " " to[1] " ") > 0 : to[1] in rank && rank[to[1]] <= rank[$2])
        next
    sub(/:#.*/, "")
    print $0 ": " $2 " may not include " part[2]
    bad = 1
}
END { exit bad }' || status=1

circles=$(printf '%s\n' "$includes" | awk -F '"' '
{
    sub(/^shim\//, "", $1)
    sub(/:.*/, "", $1)
    sub(/\.[ch]$/, "", $1)
    sub(/\.[ch]$/, "", $2)
    if ($1 != $2)
        print $1, $2
}' | tsort 2>&1 >/dev/null) || {
    printf 'these include each other in a circle:\n%s\n' "$circles"
    status=1
}
exit "$status"
