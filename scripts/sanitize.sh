#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds all that can run under a sanitizer and runs it, one line a test: the unit tests, which are
# the library's code, and of the integration tests those of the tool, which reads what others wrote;
# under UBSan the preloaded library as well, which traps. The exit status is 0 if none failed.
# test_queue starts real helpers, which give back all memory but their queue, the shadow memory of the
# other sanitizers with it.
#   sanitize.sh address|undefined|thread...
set -u
status=0
tool="test_report_findings test_report_otlp test_run"
library="test_python_frames"
units=$(find tests/unit -name 'test_*.c' -exec basename {} .c \; | sort)
for sanitizer in "$@"; do
    tests=$tool
    [ "$sanitizer" = undefined ] && tests="$tool $library"
    build=build/$sanitizer
    targets=$build/tests/tools/python_frames
    for unit in $units; do
        case "$sanitizer:$unit" in
        undefined:*) ;;
        *:test_queue) continue ;;
        esac
        targets="$targets $build/tests/unit/$unit"
        tests="$tests unit/$unit"
    done
    echo "== $sanitizer"
    # shellcheck disable=SC2086 # names
    make -j "$(nproc)" SANITIZE="$sanitizer" all $targets &&
        SANITIZE="$sanitizer" sh scripts/run-tests.sh "$build" $tests || status=1
done
exit "$status"
