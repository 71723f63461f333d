#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes shim/explain/python/offsets_table.h from the headers of installed Pythons, one of each
# minor version 3.8 to 3.12. Its output is committed: building needs no Python.
#   generate-python-offsets.sh INCLUDE_DIR... > shim/explain/python/offsets_table.h
# INCLUDE_DIR is what `pythonX.Y -c 'import sysconfig; print(sysconfig.get_path("include"))'` says.
set -eu
if [ $# -eq 0 ]; then
    echo "generate-python-offsets.sh: expected the include directories of Pythons 3.8 to 3.12" >&2
    exit 64
fi
here=$(dirname "$0")
program=$(mktemp)
trap 'rm -f "$program"' EXIT

cat <<END
// SPDX-License-Identifier: MIT
// Written by scripts/generate-python-offsets.sh from CPython's headers on $(uname -m): do not edit.
// The entries hold for every LP64 machine: no structure before these fields has a member whose
// size depends on the architecture.
#ifndef PIPESHIM_EXPLAIN_PYTHON_OFFSETS_TABLE_H
#define PIPESHIM_EXPLAIN_PYTHON_OFFSETS_TABLE_H

#include "explain/python/offsets.h"

static const struct python_offsets python_offsets_table[] = {
END
for include in "$@"; do
    ${CC:-cc} -std=gnu11 -I"$include" -I"$include/internal" -o "$program" "$here/generate-python-offsets.c"
    "$program"
done
cat <<END
};

#endif
END
