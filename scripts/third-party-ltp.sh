#!/bin/sh
# SPDX-License-Identifier: MIT
# The kernel's test project (LTP) with and without the library: each program of a built tree that is
# about what the library touches (prctl, seccomp, credentials, pipes, processes, signals, waits). The
# exit status of each must be the same; one that differs is run twice more both ways, and what
# differs only now and then is named and not counted. Programs that change the machine (pid_max,
# pipe-max-size, nr_open) or take minutes are left out.
#   third-party-ltp.sh BUILD LTP_TREE [NAME...]      as root; NAMEs: programs, default all
#   MODES="default drain" …                          also: behind
# A tree is built by: git clone https://github.com/linux-test-project/ltp && cd ltp &&
#   make autotools && ./configure && make -C lib && make -k -C testcases/kernel/syscalls
set -u
build=$1 tree=$2
shift 2
names=$*
library="$PWD/$build/libpipeshim.so"
modes=${MODES:-default drain}
kept="$PWD/$build/third-party-ltp"
left_out=' fcntl35 fcntl35_64 fork13 fork14 unshare03 sendfile09 sendfile09_64 sendmsg03 writev03 test_ioctl '
folders='open openat creat prctl seccomp landlock getrusage mlockall pipe pipe2 fork vfork clone clone3 wait wait4
    waitpid waitid select pselect poll ppoll epoll_create epoll_wait epoll_pwait futex splice tee
    vmsplice sendfile read readv write writev pwritev2 exit exit_group execve execvp kill
    sigaltstack rt_sigaction sigsuspend pause alarm setuid setgid setreuid setresuid setresgid
    setregid setgroups setegid capset capget unshare setns fcntl close_range dup dup2 dup3
    pidfd_open pidfd_getfd ptrace socketpair accept connect recv recvmsg send sendmsg getcontext'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir -p "$kept" "$work/tmp"
chmod 777 "$work" "$work/tmp"
[ -f "$library" ] || {
    echo "third-party-ltp.sh: no $library: run make first" >&2
    exit 1
}

run_once() { # HOW PROGRAM
    (
        cd "$(dirname "$2")" || exit 99
        export TMPDIR="$work/tmp" PATH="$PWD:$PATH" LTP_COLORIZE_OUTPUT=n
        case "$1" in
        default) export LD_PRELOAD="$library" PIPESHIM_LOG="$kept/log" ;;
        drain) export LD_PRELOAD="$library" PIPESHIM_LOG="$kept/log.drain" PIPESHIM_DRAIN=stdio ;;
        behind)
            export LD_PRELOAD="$library" PIPESHIM_LOG="$kept/log.behind" PIPESHIM_DRAIN=all \
                PIPESHIM_DRAIN_MODE=behind
            ;;
        esac
        exec timeout --kill-after=5 120 "$2"
    ) >"$kept/$(basename "$2").$1" 2>&1 </dev/null
}

# The exit status of LTP is the sum of what happened: 1 failed, 2 broken, 32 not for this machine.
compare() { # PROGRAM
    run_once without "$1"
    without=$?
    for mode in $modes; do
        run_once "$mode" "$1"
        with=$?
        [ "$with" -ne "$without" ] || continue
        again_without='' again_with=''
        for _ in 1 2; do
            run_once without "$1"
            again_without="$again_without $?"
            run_once "$mode" "$1"
            again_with="$again_with $?"
        done
        line="$(basename "$1") ($mode): without $without$again_without, with $with$again_with"
        if [ "$again_without" = " $without $without" ] && [ "$again_with" = " $with $with" ]; then
            echo "DIFFERS $line"
            worse=$((worse + 1))
        else
            echo "now and then: $line"
        fi
    done
    compared=$((compared + 1))
    case "$without" in
    0) passed=$((passed + 1)) ;;
    32) skipped=$((skipped + 1)) ;;
    esac
}

compared=0 worse=0 passed=0 skipped=0
for folder in $folders; do
    for program in "$tree/testcases/kernel/syscalls/$folder"/*; do
        name=$(basename "$program")
        case "$name" in *.* | *_child | *_execve | *_exec) continue ;; esac
        if [ ! -f "$program" ] || [ ! -x "$program" ]; then
            continue
        fi
        case "$left_out" in *" $name "*) continue ;; esac
        [ -z "$names" ] || case " $names " in *" $name "*) ;; *) continue ;; esac
        compare "$program"
    done
done
echo "$compared programs compared ($passed pass and $skipped are skipped without the library), $worse worse with it; outputs: $kept"
[ "$compared" -gt 0 ] && [ "$worse" -eq 0 ]
