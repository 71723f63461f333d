// SPDX-License-Identifier: MIT
/* Children under seccomp filters. */
#include "life.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static long install(unsigned how, bool strict, struct sock_fprog *filter)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (strict)
        return how == 0   ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0)
               : how == 1 ? syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0)
                          : syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL);
    return how == 0   ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter, 0, 0)
           : how == 1 ? syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter, 0, 0)
                      : syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                how == 2 ? 0 : SECCOMP_FILTER_FLAG_TSYNC, filter);
}

#define ALLOWED(call)                                                                              \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1),                                         \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static long sandbox_here(unsigned how, unsigned kind)
{
    struct sock_filter bare[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOWED(read),
        ALLOWED(write),
        ALLOWED(exit),
        ALLOWED(exit_group),
        ALLOWED(rt_sigreturn),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
    struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog filters[] = {{COUNT(bare), bare}, {COUNT(all), all}};
    return install(how, kind == 2, &filters[kind == 1]);
}

/* The child lives from read, write and exit; its parent answers slowly. */
static void live_in_sandbox(int in, int out)
{
    char byte = 'x';
    for (int i = 0; i < 4; i++)
        if (write(out, block, MORE_THAN_A_PIPE / 2) < 0 || read(in, &byte, 1) != 1)
            syscall(SYS_exit, 20);
    syscall(SYS_exit, 21);
}

static void answer_slowly(int in, int out)
{
    static char buffer[MORE_THAN_A_PIPE / 2];
    char byte = 'y';
    for (int i = 0; i < 4; i++) {
        size_t got = 0;
        usleep(2000);
        while (got < sizeof buffer) {
            ssize_t more = read(in, buffer, sizeof buffer - got);
            if (more <= 0)
                return;
            got += (size_t)more;
        }
        if (write(out, &byte, 1) != 1)
            return;
    }
}

void turn_sandbox(void)
{
    static const char *const kinds[] = {"bare", "all", "strict"};
    unsigned kind = choose(3), how = choose(4);
    bool calls = choose(2);
    bool beside_thread = choose(3) == 0 && kind != 2; /* strict mode ends one thread alone */
    int there[2], here[2];
    make_pipe(there);
    make_pipe(here);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        signal(SIGPIPE, SIG_DFL);
        close(there[0]);
        close(here[1]);
        if (calls)
            write_slowly();
        is_stuck = 0;
        if (beside_thread) /* it gets the filter only by TSYNC, and makes no other call then */
            pthread_create(&thread, NULL, stuck_for_ever, (void *)(intptr_t)choose(2));
        while (beside_thread && !is_stuck)
            sched_yield();
        long installed = sandbox_here(how, kind);
        if (installed != 0)
            _exit(30);
        if (kind == 1) {
            write_slowly();
            _exit(22);
        }
        if (beside_thread) {
            char byte;
            (void)!write(there[1], block, sizeof block / 2);
            (void)!read(here[0], &byte, 1);
            syscall(SYS_exit_group, 23);
        }
        live_in_sandbox(here[0], there[1]);
    }
    close(there[1]);
    close(here[0]);
    signal(SIGPIPE, SIG_IGN);
    answer_slowly(there[0], here[1]);
    close(there[0]);
    close(here[1]);
    say("sandbox", kinds[kind], outcome_of(child));
}
