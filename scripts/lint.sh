#!/bin/sh
# SPDX-License-Identifier: MIT
# Style, rooms, documents, static checks, Python and shell scripts; the exit status is 0 if all are
# clean. The programs of tests/corpus/cases are faulty by purpose, and left out. A tool that is missing
# is a finding: scripts/install-dependencies.sh lint installs them.
#   lint.sh [FILE.c...]      static checks of these files only
set -u
status=0
for tool in clang-format clang-tidy gcc objdump pyflakes3 python3 shellcheck; do
    command -v "$tool" >/dev/null 2>&1 && continue
    echo "lint.sh: no $tool: run scripts/install-dependencies.sh lint" >&2
    exit 1
done

if [ $# -eq 0 ]; then
    git ls-files '*.c' '*.h' ':!tests/corpus/cases' | xargs clang-format --dry-run -Werror || status=1
    sh scripts/check-layers.sh || status=1
    python3 scripts/check-child.py || status=1
    python3 scripts/check-contracts.py || status=1
    python3 scripts/check-events.py || status=1
    python3 scripts/check-documents.py || status=1
    git ls-files '*.py' ':!tests/corpus/cases' | xargs pyflakes3 || status=1
    git ls-files '*.sh' ':!tests/corpus/cases' | xargs shellcheck .ci/run || status=1
    # shellcheck disable=SC2046 # file names of this repository
    set -- $(git ls-files 'shim/*.c' 'tests/*.c' ':!tests/corpus/cases')
fi

# Of clang-tidy's output only its findings: the count of warnings in system headers is none. Tests see
# system calls that can be made to fail, the library does not (base/raw_syscall.h).
tidy() {
    # shellcheck disable=SC2016 # $1 is for the inner shell
    printf '%s\n' "$@" | xargs -P "$(nproc)" -n 1 sh -c '
        case "$1" in tests/*) core=-DPIPESHIM_CORE ;; *) core= ;; esac
        found=$(clang-tidy --quiet "$1" -- -Ishim -Itests/support -Itests/reference -D_GNU_SOURCE -std=gnu11 \
            $core -DPIPESHIM_VERSION=\"x\" 2>/dev/null) || {
            printf "%s\n" "${found:-$1: clang-tidy failed}"
            exit 1
        }' sh
}
tidy "$@" || status=1
exit "$status"
