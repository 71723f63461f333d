#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds all that can run under a sanitizer and runs it, one line a test: the unit tests, which are
# the library's code, and of the integration tests those of the tool, which reads what others wrote.
# Under UBSan the preloaded library as well, which traps, in programs of all kinds; under ASan it
# lives through half a minute of tests/soak/life_soak.py, for other programs would have to load ASan's
# runtime first. The exit status is 0 if none failed.
# test_queue, test_quick_write and test_drain_reports start real helpers, which give back all memory but
# their queue, the shadow memory of the other sanitizers with it.
#   sanitize.sh address|undefined|thread...
set -u
status=0
tool="test_compact test_diagnose_asked test_diagnose_clear test_diagnose_deadlocks test_diagnose_input
    test_diagnose_stuck test_doctor test_fleet test_host_metrics test_names test_presets test_report
    test_report_findings test_report_formats test_report_lines test_report_otlp test_rescue test_run
    test_run_ci test_run_reports test_run_terminal test_set test_top"
# ncurses keeps what it took for a terminal that it does not know, which ASan calls a leak.
screen=test_top_screen
library="test_action_reasons test_action_times test_actions test_bad_pointers test_blocked_calls test_drain test_drain_bytes test_drain_order
    test_drain_stdio test_entered_calls test_explained_reports test_findings test_javascript_reports
    test_journal test_lag test_late_start test_loop_python test_members test_metrics test_python_frames
    test_settings_log"
units=$(find tests/unit -name 'test_*.c' -exec basename {} .c \; | sort)
victims=$(find tests/victims -maxdepth 1 -name '*.c*' -exec basename {} \; | sed 's/\..*//' | sort)
for sanitizer in "$@"; do
    tests=$tool
    [ "$sanitizer" = undefined ] && tests="$tool $screen $library"
    build=build/$sanitizer
    targets=$build/tests/tools/python_frames
    for victim in $victims; do
        targets="$targets $build/victims/$victim"
    done
    for unit in $units; do
        case "$sanitizer:$unit" in
        undefined:*) ;;
        *:test_queue* | *:test_quick_write | *:test_drain_reports) continue ;;
        esac
        targets="$targets $build/tests/unit/$unit"
        tests="$tests unit/$unit"
    done
    echo "== $sanitizer"
    # shellcheck disable=SC2086 # names
    make -j "$(nproc)" SANITIZE="$sanitizer" all $targets &&
        SANITIZE="$sanitizer" sh scripts/run-tests.sh "$build" $tests || status=1
    if [ "$sanitizer" = address ]; then
        make -j "$(nproc)" soak-life ASAN=1 SECONDS=30 || status=1
    fi
done
exit "$status"
