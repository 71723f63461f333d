#!/bin/sh
# SPDX-License-Identifier: MIT
# The main job on one screen: an engine hangs because its parent never reads its stderr, and the
# preloaded library says so while it hangs.   demo.sh BUILD
set -eu
build=$1
log=$(mktemp)
engine=""
cleanup() {
    if [ -n "$engine" ]; then
        # The hung child holds the parent's pipe: end the whole group.
        kill -KILL "-$engine" 2>/dev/null || true
    fi
    rm -f "$log"
}
trap cleanup EXIT INT TERM

cat <<EOF
A parent runs an engine, reads its stdout and never its stderr; the engine logs with fprintf(stderr).
  LD_PRELOAD=$build/libpipeshim.so $build/victims/engine

EOF
# A group of its own, so that one kill ends parent and child.
LD_PRELOAD="$PWD/$build/libpipeshim.so" PIPESHIM_LOG="$log" \
    setsid "$build/victims/engine" >/dev/null 2>&1 </dev/null &
engine=$!

deadline=$(($(date +%s) + 20))
while ! grep -q 'BLOCKED' "$log" 2>/dev/null || ! grep -q 'DEADLOCK' "$log"; do
    if [ "$(date +%s)" -ge "$deadline" ]; then
        echo "demo: no report within 20 s; expected one line with BLOCKED and one with DEADLOCK in $log" >&2
        cat "$log" >&2
        exit 1
    fi
    sleep 0.05
done
cat "$log"
printf '\nThe engine is still stuck; the demo ends it now.\n'
