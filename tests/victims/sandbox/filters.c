// SPDX-License-Identifier: MIT
#include "filters.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define IS(number)   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1)
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, (what))

enum { STEPS_LIMIT = 256 };

static struct sock_filter steps[STEPS_LIMIT];
struct sock_fprog program = {0, steps};

static void step(struct sock_filter next)
{
    steps[program.len++] = next;
}

#define STEP(...) step((struct sock_filter)__VA_ARGS__)

/* `listed` get one answer, all other calls another one. */
static void make_list(const int *listed, size_t count, unsigned answer, unsigned otherwise)
{
    program.len = 0;
    STEP(NUMBER);
    for (size_t i = 0; i < count; i++) {
        STEP(IS((unsigned)listed[i]));
        STEP(ANSWER(answer));
    }
    STEP(ANSWER(otherwise));
}

/* Calls by which two processes that talk through a pipe can live. */
static const int bare_calls[] = {SYS_read, SYS_write, SYS_exit, SYS_exit_group, SYS_rt_sigreturn};

/* What changes descriptors, and does not ask about them. */
static const int changing_calls[] = {
    SYS_read,        SYS_write, SYS_exit,   SYS_exit_group, SYS_close,
    SYS_close_range, SYS_dup3,  SYS_openat, SYS_pipe2,
#ifdef SYS_dup2
    SYS_dup2,
#endif
};

/* What ld.so, libc's start and end, and a line on stdout make; of several glibc versions. And
 * chroot(), for one that gives up what it could read. */
static const int plain_calls[] = {
    SYS_execve,          SYS_brk,        SYS_openat,    SYS_read,      SYS_pread64,
    SYS_close,           SYS_mmap,       SYS_munmap,    SYS_mprotect,  SYS_newfstatat,
    SYS_write,           SYS_exit_group, SYS_prlimit64, SYS_getrandom, SYS_set_tid_address,
    SYS_set_robust_list, SYS_rseq,       SYS_faccessat, SYS_futex,     SYS_chroot,
#ifdef SYS_access
    SYS_access,          SYS_arch_prctl, SYS_readlink,
#endif
};

/* systemd's group @debug, in part. */
static const int debug_calls[] = {SYS_process_vm_readv, SYS_pidfd_getfd, SYS_perf_event_open};

/* A call whose argument has one of the bits gets an answer of its own. */
static void make_argument_check(int number, unsigned argument, unsigned bits, unsigned answer)
{
    program.len = 0;
    STEP(NUMBER);
    STEP(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 3));
    STEP(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * argument));
    STEP(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1));
    STEP(ANSWER(answer));
    STEP(ANSWER(SECCOMP_RET_ALLOW));
}

void make_filter(const char *name)
{
    if (strcmp(name, "bare") == 0)
        make_list(bare_calls, COUNT(bare_calls), SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
    else if (strcmp(name, "changing") == 0)
        make_list(changing_calls, COUNT(changing_calls), SECCOMP_RET_ALLOW,
                  SECCOMP_RET_KILL_PROCESS);
    else if (strcmp(name, "plain") == 0)
        make_list(plain_calls, COUNT(plain_calls), SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
    else if (strcmp(name, "debug") == 0)
        make_list(debug_calls, COUNT(debug_calls), SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ALLOW);
    else if (strcmp(name, "all") == 0)
        make_list(NULL, 0, 0, SECCOMP_RET_ALLOW);
    else if (strcmp(name, "read-only") == 0)
        make_argument_check(SYS_openat, 2, O_WRONLY | O_RDWR | O_CREAT, SECCOMP_RET_KILL_PROCESS);
    else if (strcmp(name, "no-namespaces") == 0)
        make_argument_check(SYS_clone, 0, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID,
                            SECCOMP_RET_KILL_PROCESS);
    else
        exit(64);
}

static const char *const hows[HOWS] = {"prctl",  "raw-prctl",  "seccomp",       "seccomp-tsync",
                                       "strict", "raw-strict", "seccomp-strict"};

enum how how_named(const char *name)
{
    for (int i = 0; i < HOWS; i++)
        if (strcmp(name, hows[i]) == 0)
            return (enum how)i;
    exit(64);
}

long install(enum how how)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    switch (how) {
    case PRCTL:
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
    case RAW_PRCTL:
        return syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
    case SECCOMP:
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
    case SECCOMP_TSYNC:
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    case STRICT:
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
    case RAW_STRICT:
        return syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
    default:
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL);
    }
}
