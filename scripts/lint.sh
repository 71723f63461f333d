#!/bin/sh
# SPDX-License-Identifier: MIT
# Style, static checks and shell scripts; the exit status is 0 if all are clean.
set -u
status=0
git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror || status=1
for file in shim/*/*.c; do
    clang-tidy --quiet "$file" -- -Ishim -D_GNU_SOURCE -std=gnu11 '-DPIPESHIM_VERSION="x"' \
        2>/dev/null || status=1
done
shellcheck scripts/*.sh .ci/run || status=1
exit "$status"
