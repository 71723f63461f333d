#!/bin/sh
# SPDX-License-Identifier: MIT
# Programs of others, each run without the library and with it in each of its modes: as it comes
# (text to stderr), PIPESHIM_FORMAT=json to a file, and that with the drainer on stdio, full and
# behind. Whatever passes without must pass with; the exit status says so. What is not installed is
# named and left out.
#   third-party.sh BUILD [NAME...]        names as in the table's first column; default: all
#   MODES="json drain" third-party.sh …   only those of "default json drain behind"
# LTP is another script: third-party-ltp.sh.
# Debian 12: apt-get install libpython3.11-testsuite stress-ng nodejs default-jdk-headless
#            redis-server redis-tools perl git gcc make
set -u
build=$1
shift
only=" $* "
library="$PWD/$build/libpipeshim.so"
modes=${MODES:-default json drain behind}
kept="$PWD/$build/third-party"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
rm -rf "$kept"
mkdir -p "$kept"
compared=0
worse=0
[ -f "$library" ] || {
    echo "third-party.sh: no $library: run make first" >&2
    exit 1
}

wanted() { # NAME
    case "$only" in "  ") return 0 ;; *" $1 "*) return 0 ;; esac
    return 1
}

# What of a run's output must be the same: verdicts, counts and answers, not times and pids.
essence() { # OUTPUT
    sed -n -E \
        -e 's/^(Ran [0-9]+ tests?) in .*/\1/p' \
        -e '/^(OK|FAILED|FAIL:|ERROR:|UNEXPECTED SUCCESS:)/p' \
        -e 's/.*(successful run completed|unsuccessful run completed).*/\1/p' \
        -e 's/^answer: /answer: /p' "$1"
}

run_once() { # HOW NAME SECONDS COMMAND...
    how=$1 name=$2 seconds=$3
    shift 3
    output="$kept/$name.$how"
    mkdir -p "$work/$how/$name"
    start=$(date +%s%N)
    (
        cd "$work/$how/$name" || exit 99
        case "$how" in
        default) export LD_PRELOAD="$library" ;;
        json)
            export LD_PRELOAD="$library" PIPESHIM_FORMAT=json PIPESHIM_LOG="$kept/$name.log"
            ;;
        drain)
            export LD_PRELOAD="$library" PIPESHIM_FORMAT=json PIPESHIM_LOG="$kept/$name.drain.log" \
                PIPESHIM_DRAIN=stdio
            ;;
        behind)
            export LD_PRELOAD="$library" PIPESHIM_FORMAT=json PIPESHIM_LOG="$kept/$name.behind.log" \
                PIPESHIM_DRAIN=stdio PIPESHIM_DRAIN_MODE=behind
            ;;
        esac
        exec timeout --kill-after=5 "$seconds" "$@"
    ) >"$output" 2>&1 </dev/null
    status=$?
    spent=$((($(date +%s%N) - start) / 1000000))
    essence "$output" >"$output.essence"
}

row() { # NAME SECONDS COMMAND...
    name=$1 seconds=$2
    shift 2
    wanted "$name" || return 0
    if ! command -v "$1" >/dev/null 2>&1; then
        printf '%-24s not installed: %s\n' "$name" "$1"
        return 0
    fi
    run_once without "$name" "$seconds" "$@"
    status_without=$status
    line=$(printf '%-24s %3d %7s' "$name" "$status" "$(seconds_of "$spent")")
    verdict=same
    for mode in $modes; do
        run_once "$mode" "$name" "$seconds" "$@"
        line="$line  $(printf '%3d %7s' "$status" "$(seconds_of "$spent")")"
        if [ "$status" -ne "$status_without" ]; then
            verdict="STATUS DIFFERS ($mode)"
        elif ! cmp -s "$kept/$name.without.essence" "$kept/$name.$mode.essence"; then
            verdict="RESULTS DIFFER ($mode)"
        fi
    done
    compared=$((compared + 1))
    [ "$verdict" = same ] || worse=$((worse + 1))
    printf '%s  %s\n' "$line" "$verdict"
}

seconds_of() { # MILLISECONDS
    printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000))
}

printf '%-24s %11s' "exit status, seconds" without
for mode in $modes; do
    printf '  %11s' "$mode"
done
echo

# CPython's own tests of what the library touches.
for module in test_subprocess test_asyncio.test_subprocess test_asyncio.test_events test_io \
    test_signal test_os test_socket test_select test_selectors test_threading test_faulthandler \
    test_posix test_pty test_fork1 test_wait4 test_popen test_poll test_epoll \
    test_concurrent_futures.ProcessPoolForkMixin; do
    case "$module" in
    *.ProcessPoolForkMixin) continue ;; # minutes; run it by hand
    esac
    row "python-$module" 240 /usr/bin/python3.11 -m unittest -v "test.$module"
done

# Kernel interfaces, by the hundred thousand.
for stressor in pipe fork vfork clone futex sigsuspend seccomp kill poll sock vm; do
    row "stress-$stressor" 30 stress-ng --$stressor 2 --timeout 3s
done
row stress-pthread 30 stress-ng --pthread 2 --timeout 3s
row stress-splice 30 stress-ng --splice 2 --timeout 3s
row stress-exec 30 stress-ng --exec 2 --timeout 3s

# Interpreters.
# shellcheck disable=SC2016 # for the shell that is run
row bash 30 bash -c 'n=0; while read -r line; do n=$((n + line)); done < <(seq 20000)
    x=$(seq 5000 | tee >(cat >/dev/null) | sort -rn | head -1); wait
    coproc cat; echo ping >&"${COPROC[1]}"; read -r y <&"${COPROC[0]}"; kill $COPROC_PID
    trap "echo answer: trapped" USR1; kill -USR1 $$; echo "answer: $n $x $y"'
# shellcheck disable=SC2016
row dash 30 dash -c 'echo "answer: $(seq 100000 | grep -c 7 | tr 0-9 a-j)"; (exit 7) | true; echo "answer: $?"'
# shellcheck disable=SC2016
row perl 30 perl -e 'use IPC::Open3; my $pid = open3(my $in, my $out, undef, "sort", "-n");
    print $in "$_\n" for reverse 1..5000; close $in; my @l = <$out>; waitpid $pid, 0;
    $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; sleep 20; }; my $f = fork // die;
    if (!$f) { exec "true" } waitpid $f, 0; print "answer: $l[0] $l[-1] $@ $?\n"'
row node 60 node -e '
    const { execFileSync, spawn } = require("child_process"), http = require("http");
    const { Worker } = require("worker_threads"), fs = require("fs");
    const sum = execFileSync("sh", ["-c", "seq 50000 | wc -c"]).toString().trim();
    const code = "require(\"worker_threads\").parentPort.postMessage(6 * 7)";
    const worker = new Promise((y) => new Worker(code, { eval: true }).on("message", y));
    const child = new Promise((y) => { let n = 0; const c = spawn("head", ["-c", "3000000", "/dev/zero"]);
        c.stdout.on("data", (d) => n += d.length); c.on("close", () => y(n)); });
    const web = new Promise((y) => { const s = http.createServer((q, r) => r.end("x".repeat(200000)));
        s.listen(0, () => http.get({ port: s.address().port }, (r) => { let n = 0;
            r.on("data", (d) => n += d.length); r.on("end", () => { s.close(); y(n); }); })); });
    Promise.all([worker, child, web]).then((a) => {
        fs.writeSync(1, "answer: " + sum + " " + a.join(" ") + "\n"); process.exit(3); });'
row java-version 60 java -version
cat >"$work/Hello.java" <<'JAVA'
import java.util.concurrent.*;
public class Hello {
    public static void main(String[] args) throws Exception {
        Process child = new ProcessBuilder("sh", "-c", "cat; exit 5").start();
        try (var in = child.getOutputStream()) { in.write("through a child".getBytes()); }
        String back = new String(child.getInputStream().readAllBytes());
        ExecutorService pool = Executors.newFixedThreadPool(20);
        Future<Integer> sum = pool.submit(() -> { Thread.sleep(300); System.gc(); return 42; });
        try { Object o = null; o.hashCode(); } catch (NullPointerException e) { back += ", caught"; }
        System.out.println("answer: " + back + " " + child.waitFor() + " " + sum.get());
        pool.shutdown();
    }
}
JAVA
row javac-and-java 120 sh -c "javac -d . '$work/Hello.java' && java -cp . Hello"

# Servers and tools.
# shellcheck disable=SC2016
row redis 60 sh -c 'command -v redis-server >/dev/null || exit 0
    redis-server --port 0 --unixsocket "$PWD/s" --save "" --appendonly yes --dir "$PWD" >server.out 2>&1 &
    server=$!; i=0; while [ ! -S s ] && [ $i -lt 200 ]; do sleep 0.05; i=$((i + 1)); done
    redis-benchmark -s "$PWD/s" -n 20000 -q -t set,get,lpush >bench.out 2>&1; echo "answer: benchmark $?"
    redis-cli -s "$PWD/s" bgsave >/dev/null; redis-cli -s "$PWD/s" set a b | sed "s/^/answer: /"
    redis-cli -s "$PWD/s" shutdown nosave; wait $server; echo "answer: server $?"'
printf '#include <stdio.h>\n#include <stdlib.h>\nint main(void){puts("answer: compiled");return 4;}\n' >"$work/a.c"
row gcc 60 sh -c "gcc -O2 -pipe -o a '$work/a.c' && ./a"
# shellcheck disable=SC2016
row make-j 60 sh -c 'printf "all: %s\n" "$(seq -s " " 1 40)" >Makefile; echo "%:; @sleep 0.05; echo answer: \$@" >>Makefile
    make -s -j4 | sort'
# shellcheck disable=SC2016
row git 60 sh -c 'git init -q . && git config user.email a@b && git config user.name a &&
    seq 20000 >f && git add f && git commit -qm one && git repack -adq && git fsck --full &&
    git clone -q . copy && git --no-pager log -p | tail -1 | sed "s/^/answer: /"'
row tar-xz 60 sh -c 'tar c /usr/share/doc/bash /usr/share/perl/5* 2>/dev/null | xz -1 | xz -d | tar t | wc -l | sed "s/^/answer: /"'
row ssh-keygen 30 sh -c 'ssh-keygen -q -t ed25519 -N "" -f k && echo answer: key'
row sandbox-unshare 30 sh -c 'unshare -Ur true; echo "answer: $?"; unshare -p -f true; echo "answer: $?"'
row strace-of-it 30 sh -c 'strace -f -o /dev/null sh -c "seq 10 | wc -l" | sed "s/^/answer: /"'
row gdb-of-it 60 gdb -q -batch -ex run -ex 'info inferiors' --args sh -c 'echo answer: debugged; exit 3'

echo "$compared compared, $worse worse with the library; outputs and logs: $kept"
[ "$worse" -eq 0 ]
