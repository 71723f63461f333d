#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs libFuzzer targets, two a processor at once, each for SECONDS; one line a target. Of one that
# fails all its output, and the input stays as TARGET.crash-…. The exit status is 0 if none failed.
#   fuzz.sh BUILD SECONDS TARGET...
set -u

run_one() { # TARGET
    name=$(basename "$1")
    mkdir -p "$1.corpus"
    status=0
    FUZZ_JAVASCRIPT="$build/fuzz/javascript.recording" FUZZ_SEEDS="$1.corpus" \
        timeout --kill-after=5 $((seconds + 120)) "$1" -max_total_time="$seconds" -max_len=65536 \
        -artifact_prefix="$1." -print_final_stats=1 "$1.corpus" >"$1.log" 2>&1 </dev/null || status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$1.log")
    if [ "$status" -eq 0 ] && [ "${runs:-0}" -gt 0 ]; then
        echo "ok     $name ($runs inputs)"
        return 0
    fi
    echo "FAILED $name, exit status $status; its output:"
    tail -n 60 "$1.log" | sed 's/^/    /'
    return 1
}

build=$1
seconds=$2
shift 2
if [ "${1:-}" = --one ]; then
    run_one "$2"
    exit
fi
printf '%s\n' "$@" | xargs -P "$((2 * $(nproc)))" -n 1 sh "$0" "$build" "$seconds" --one
