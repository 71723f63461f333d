#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs every test executable under BUILD/tests, one after the other; each has a deadline of its own.
# What a test leaves out is shown with its reason. The last line is "N passed, N failed"; the exit
# status says the same.
#   run-tests.sh BUILD [NAME...]
set -u
build=$1
shift
export PIPESHIM_BUILD="$PWD/$build"
passed=0
failed=0
for test in "$build"/tests/unit/test_* tests/integration/*/test_*.py; do
    case "$test" in *.d | *'*'*) continue ;; esac
    name=$(basename "$test" .py)
    if [ $# -gt 0 ]; then
        case " $* " in *" $name "* | *" $name.py "*) ;; *) continue ;; esac
    fi
    log="$build/tests/$name.log"
    start=$(date +%s)
    case "$test" in *.py) command="/usr/bin/python3 $test -v" ;; *) command=$test ;; esac
    status=0
    # shellcheck disable=SC2086 # words
    timeout --kill-after=5 300 $command >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok     $name ($(($(date +%s) - start)) s)"
        sed -n -e 's/^left out: /    &/p' -e 's/^\(.*\) \.\.\. skipped /    left out: \1: /p' "$log"
    else
        failed=$((failed + 1))
        echo "FAILED $name, exit status $status; its output:"
        sed 's/^/    /' "$log"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
