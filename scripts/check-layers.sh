#!/bin/sh
# SPDX-License-Identifier: MIT
# The rule of the rooms: a file under shim/ includes files of its own folder and of folders to the
# left of it; the tool (cli) only those that are named for it. Prints each include that breaks it.
set -eu
order="base facts config process slots kernel explain graph drain report watch doors main"
for_cli="base facts config kernel explain graph report cli"
git ls-files -co --exclude-standard 'shim/*.[ch]' 'shim/*.def' | xargs awk -v order="$order" -v for_cli=" $for_cli " '
BEGIN {
    count = split(order, name, " ")
    for (i = 1; i <= count; i++)
        rank[name[i]] = i
}
/^#include "/ {
    split(FILENAME, at, "/")
    split($2, to, "[\"/]")
    if (at[2] == "cli" ? index(for_cli, " " to[2] " ") > 0 : to[2] in rank && rank[to[2]] <= rank[at[2]])
        next
    print FILENAME ":" FNR ": " at[2] " may not include " $2
    bad = 1
}
END { exit bad }'
