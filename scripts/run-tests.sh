#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the unit tests that are built under BUILD/tests and the integration tests, JOBS at once
# (default: three, as most wait most of the time; one on a single CPU); a test whose file says
# "# Runs alone: why" runs after the others, by itself. Each has a deadline of ten minutes. What a
# test leaves out is shown with its reason, and of one that fails all its output.
# BUILD/tests/junit.xml says the same to a CI server.
# The last line is "N passed, N failed"; the exit status is 0 if some passed and none failed.
#   run-tests.sh BUILD [NAME...]        names without folder; .py may be left out; unit/NAME is the
#                                       unit test alone where an integration test has that name, too
set -u
build=$1
shift
export PIPESHIM_BUILD="$PWD/$build"
results="$build/tests/results"

# Runs one test and prints what became of it, as one block. ($1: of unit tests the executable.)
run_one() {
    name=$(basename "$1" .py)
    case "$1" in
    *.py) command="/usr/bin/python3 $1 -v" kind=$(dirname "${1#tests/}") ;;
    *) command=$1 kind=unit ;;
    esac
    base="$results/$(echo "$kind" | tr / .).$name"
    start=$(date +%s)
    status=0
    # shellcheck disable=SC2086 # words
    timeout --kill-after=5 "${TEST_SECONDS:-600}" $command >"$base.log" 2>&1 </dev/null || status=$?
    seconds=$(($(date +%s) - start))
    echo "$status $seconds $kind $name" >"$base.result"
    {
        if [ "$status" -eq 0 ]; then
            echo "ok     $name ($seconds s)"
            sed -n -e 's/^\(.* \.\.\. \)\{0,1\}left out: /    left out: /p' -e 's/^\(.*\) \.\.\. skipped /    left out: \1: /p' "$base.log"
        else
            echo "FAILED $name, exit status $status; its output:"
            sed 's/^/    /' "$base.log"
        fi
    } >"$base.said"
    flock "$results/lock" cat "$base.said"
}

xml_text() {
    tr -d '\000-\010\013\014\016-\037' | sed -e 's/&/\&amp;/g' -e 's/</\&lt;/g' -e 's/>/\&gt;/g' -e 's/"/\&quot;/g'
}

write_junit() { # PASSED FAILED
    printf '<?xml version="1.0" encoding="UTF-8"?>\n'
    printf '<testsuite name="pipeshim" tests="%d" failures="%d">\n' $(($1 + $2)) "$2"
    for result in "$results"/*.result; do
        read -r status seconds kind name <"$result"
        printf '<testcase classname="%s" name="%s" time="%d">' "$(echo "$kind" | tr / .)" "$name" "$seconds"
        if [ "$status" -ne 0 ]; then
            printf '<failure message="exit status %d">' "$status"
            xml_text <"${result%.result}.log"
            printf '</failure>'
        fi
        printf '</testcase>\n'
    done
    printf '</testsuite>\n'
}

if [ "${1:-}" = --one ]; then
    run_one "$2"
    exit 0
fi

rm -rf "$results"
mkdir -p "$results"
: >"$results/together"
: >"$results/alone"
for test in "$build"/tests/unit/test_* tests/integration/*/test_*.py; do
    case "$test" in *.d | *'*'*) continue ;; esac
    name=$(basename "$test" .py)
    if [ $# -gt 0 ]; then
        case "$test" in *.py) unit=$name ;; *) unit=unit/$name ;; esac
        case " $* " in *" $name "* | *" $name.py "* | *" $unit "*) ;; *) continue ;; esac
    fi
    case "$test" in
    *.py) source=$test ;;
    *) source=tests/unit/$name.c ;;
    esac
    if grep -q '^\(#\|//\|/\*\) Runs alone: ' "$source"; then
        echo "$test" >>"$results/alone"
    else
        echo "$test" >>"$results/together"
    fi
done

cpus=$(nproc)
jobs=${JOBS:-$((cpus < 2 ? cpus : 3))}
xargs -r -P "$jobs" -n 1 sh "$0" "$build" --one <"$results/together"
xargs -r -n 1 sh "$0" "$build" --one <"$results/alone"

passed=0
failed=0
for result in "$results"/*.result; do
    [ -f "$result" ] || continue
    read -r status _ <"$result"
    if [ "$status" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
write_junit "$passed" "$failed" >"$build/tests/junit.xml" 2>/dev/null
expected=$(cat "$results/together" "$results/alone" | wc -l)
if [ "$expected" -ne $((passed + failed)) ]; then
    echo "run-tests.sh: $expected tests were begun; expected as many results" >&2
    failed=$((expected - passed))
fi
for name in "$@"; do
    short=$(basename "$name" .py)
    ls "$results"/*."$short.result" >/dev/null 2>&1 && continue
    echo "run-tests.sh: no test is called $name; expected the name of a file under tests/unit or tests/integration" >&2
    failed=$((failed + 1))
done
# Once more and short, as a CI server shows the last lines of a long log only.
for result in "$results"/*.result; do
    [ -f "$result" ] || continue
    read -r status seconds _ name <"$result"
    [ "$status" -eq 0 ] && continue
    echo "FAILED $name (exit status $status, $seconds s):"
    grep -aE '^(FAIL|ERROR): |^[A-Za-z.]*(Error|Failure|Exception|Expired)\b|^\[  (FAILED|ERROR)' "${result%.result}.log" |
        cut -c1-300 | tail -n 12 | sed 's/^/    /'
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
