// SPDX-License-Identifier: MIT
#include "watch/action_command.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/clone_on_stack.h"
#include "base/text_buffer.h"
#include "process/executable.h"
#include "process/filters.h"
#include "process/life.h"
#include "report/log_writer.h"

enum {
    STACK_SIZE = 64 * 1024,
    ABOVE_TOP = 64,
    VARIABLE_LIMIT = 512,
    ENVIRONMENT_LIMIT = 1024,
};

/* Of the process that feeds and waits, and of the one that becomes the shell.
 * child: kept, a copy of its own */
static struct memory {
    char stack[STACK_SIZE] __attribute__((aligned(64)));
    char shell_stack[STACK_SIZE] __attribute__((aligned(64)));
    char event[VARIABLE_LIMIT], pid[VARIABLE_LIMIT], executable[VARIABLE_LIMIT];
    char *environment[ENVIRONMENT_LIMIT + 4];
} * memory;

static struct {
    const char *command, *line;
    uint64_t limit_ns;
    int input[2];
} job;
static _Atomic int32_t holder_tid; /* cleared by the kernel when it is gone */
static int32_t to_reap;
static _Atomic int status; /* of the shell; -1: it was killed, -2: it could not be started */
static bool is_started;

void action_command_begin(void)
{
    job.command = job.line = NULL;
    job.input[0] = job.input[1] = 0;
    atomic_store(&holder_tid, 0);
    atomic_store(&status, 0);
    to_reap = 0;
    is_started = false;
}

extern char **environ __attribute__((weak));

static void use_default_signals(void)
{
    struct {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)(void);
        uint64_t mask;
    } standard = {0};
    const uint64_t none = 0;
    for (int number = 1; number <= 64; number++)
        raw_syscall(SYS_rt_sigaction, number, &standard, 0, sizeof standard.mask);
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, sizeof none);
}

/* In memory that it shares: it changes nothing there. */
static int shell_main(void)
{
    enum { KEPT = 3 };
    const char *const arguments[] = {"sh", "-c", job.command, NULL};
    raw_syscall(SYS_setsid);
    raw_syscall(SYS_chdir, "/");
    if (job.input[0] != 0)
        raw_syscall(SYS_dup3, job.input[0], 0, 0);
    long nowhere = raw_syscall(SYS_openat, AT_FDCWD, "/dev/null", O_WRONLY | O_CLOEXEC);
    raw_syscall(SYS_dup3, nowhere, 1, 0);
    raw_syscall(SYS_dup3, nowhere, 2, 0);
    for (int fd = KEPT; fd < 16; fd++)
        raw_syscall(SYS_close, fd);
    use_default_signals();
    raw_syscall(SYS_execve, "/bin/sh", arguments, memory->environment);
    return 127;
}

static void leave_fd_table(void)
{
    if (raw_syscall(SYS_close_range, 0, ~0U, CLOSE_RANGE_UNSHARE) == 0)
        return;
    if (raw_syscall(SYS_unshare, CLONE_FILES) == 0)
        for (int fd = 0; fd < 65536; fd++)
            raw_syscall(SYS_close, fd);
}

static void wait_for(long shell)
{
    uint64_t deadline = clock_monotonic_ns() + job.limit_ns;
    struct timespec moment = {0, 20L * NS_PER_MS};
    int how = 0;
    while (raw_syscall(SYS_wait4, shell, &how, WNOHANG | __WALL, 0) == 0) {
        if (clock_monotonic_ns() >= deadline) {
            raw_syscall(SYS_kill, -shell, SIGKILL); /* its session */
            raw_syscall(SYS_kill, shell, SIGKILL);
            raw_syscall(SYS_wait4, shell, 0, __WALL, 0);
            atomic_store(&status, -1);
            return;
        }
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
    atomic_store(&status, WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how));
}

static int keeper_main(void)
{
    static _Atomic int32_t unused; /* child: scratch */
    leave_fd_table();
    raw_syscall(SYS_prctl, PR_SET_NAME, "pipeshim-action", 0, 0, 0);
    /* Three that the pipe must not be, so that the shell can have them. */
    for (int fd = 0; fd < 3; fd++)
        raw_syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR);
    if (raw_syscall(SYS_pipe2, job.input, O_NONBLOCK) != 0) {
        atomic_store(&status, -2);
        return 0;
    }
    raw_syscall(SYS_fcntl, job.input[0], F_SETFL, 0);
    long shell =
        clone_on_stack(CLONE_VM | CLONE_VFORK, memory->shell_stack + STACK_SIZE - ABOVE_TOP,
                       &unused, 0, shell_main);
    raw_syscall(SYS_close, job.input[0]);
    if (shell <= 0) {
        atomic_store(&status, -2);
        return 0;
    }
    /* All signals are blocked here: one that does not read it is no reason to die. */
    raw_syscall(SYS_write, job.input[1], job.line, strlen(job.line));
    raw_syscall(SYS_close, job.input[1]);
    wait_for(shell);
    return 0;
}

static bool is_ours(const char *variable)
{
    return strncmp(variable, "LD_PRELOAD=", 11) == 0 || strncmp(variable, "PIPESHIM", 8) == 0;
}

static void put(char *to, const char *name, const char *value)
{
    struct text_buffer text;
    text_init(&text, to, VARIABLE_LIMIT);
    text_format(&text, "%s=%s", name, value);
}

static void make_environment(const char *event)
{
    unsigned count = 0;
    char number[16];
    struct text_buffer text;
    text_init(&text, number, sizeof number);
    text_signed(&text, atomic_load(&life->pid));
    put(memory->event, "PIPESHIM_EVENT", event);
    put(memory->pid, "PIPESHIM_PID", number);
    put(memory->executable, "PIPESHIM_EXE", executable_path());
    for (char **at = &environ ? environ : NULL; at && *at && count < ENVIRONMENT_LIMIT; at++)
        if (!is_ours(*at))
            memory->environment[count++] = *at;
    memory->environment[count++] = memory->event;
    memory->environment[count++] = memory->pid;
    memory->environment[count++] = memory->executable;
    memory->environment[count] = NULL;
}

bool action_command_start(const char *command, const char *line, const char *event,
                          uint64_t limit_ns)
{
    if (filters_forbid() & FORBIDS_METRICS) /* the calls that make such a process */
        return false;
    uint64_t all = ~0ULL;
    uint64_t before = 0;
    if (is_started)
        return false;
    if (!memory) {
        long made = raw_syscall(SYS_mmap, 0, sizeof *memory, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (made < 0 && made > -4096)
            return false;
        memory = (struct memory *)made;
    }
    make_environment(event);
    job.command = command;
    job.line = line;
    job.limit_ns = limit_ns;
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    long made = clone_on_stack(LOG_WRITER_CLONE_FLAGS, memory->stack + STACK_SIZE - ABOVE_TOP,
                               &holder_tid, 0, keeper_main);
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
    to_reap = (int32_t)made;
    is_started = made > 0;
    return is_started;
}

const char *action_command_result(void)
{
    static char words[48]; /* child: scratch */
    struct text_buffer text;
    if (!is_started || atomic_load(&holder_tid) != 0 ||
        raw_syscall(SYS_wait4, to_reap, 0, WNOHANG | __WCLONE, 0) == 0)
        return NULL;
    is_started = false;
    int how = atomic_load(&status);
    text_init(&text, words, sizeof words);
    if (how == -1) {
        text_string(&text, "killed after ");
        text_milliseconds(&text, job.limit_ns);
        text_string(&text, " ms");
        return words;
    }
    if (how == -2)
        return "could not be started";
    text_format(&text, "exit %d", how);
    return words;
}
