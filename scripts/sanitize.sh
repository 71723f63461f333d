#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds all that can run under a sanitizer and runs it: the unit tests, and of the integration tests
# those of the tool, which is what a log or another process may harm; under UBSan the preloaded
# library, too, which traps. The exit status is 0 if none failed.
#   sanitize.sh address|undefined|thread...
set -u
status=0
tool="test_report test_report_findings test_diagnose_asked test_diagnose_stuck test_diagnose_input test_run test_top"
library="test_blocked_calls test_life test_drain test_drain_bytes test_lag test_python_frames"
for sanitizer in "$@"; do
    case "$sanitizer" in
    undefined) tests="$tool $library" ;;
    *) tests=$tool ;;
    esac
    echo "== $sanitizer"
    units=$(cd tests/unit && ls test_*.c | sed 's/\.c$//')
    # shellcheck disable=SC2086 # names of tests
    make SANITIZE="$sanitizer" test TESTS="$(echo $units $tests)" || status=1
done
exit "$status"
