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
#include <sys/time.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/clone_on_stack.h"
#include "base/text_buffer.h"
#include "kernel/short_process.h"
#include "process/executable.h"
#include "process/filters.h"
#include "process/life.h"

enum {
    ABOVE_TOP = 64,
    LONGEST_S = 30,
    LONGEST_ALONE_S = LONGEST_S + 5,
    VARIABLE_LIMIT = 512,
    ENVIRONMENT_LIMIT = 1024,
};

/* Of the process that feeds and waits, and of the one that becomes the shell.
 * child: kept, a copy of its own */
static struct memory {
    char stack[SHORT_PROCESS_STACK] __attribute__((aligned(64)));
    char shell_stack[SHORT_PROCESS_STACK] __attribute__((aligned(64)));
    char event[VARIABLE_LIMIT], pid[VARIABLE_LIMIT], executable[VARIABLE_LIMIT];
    char *environment[ENVIRONMENT_LIMIT + 4];
} * memory;

static struct {
    const char *command, *line;
    uint64_t limit_ns;
    int input[2];
} job;
static struct short_process holder;
static _Atomic int32_t shell_tid; /* until it is a program of its own */
/* Of the shell: its exit status, or one of these. */
enum { KILLED = -1, NOT_STARTED = -2, ALONE = -3 };
static _Atomic int status;
static bool is_started;

void action_command_begin(void)
{
    job.command = job.line = NULL;
    job.input[0] = job.input[1] = 0;
    atomic_store(&holder.tid, 0);
    atomic_store(&status, 0);
    atomic_store(&shell_tid, 0);
    holder.to_reap = 0;
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
    const struct itimerval alone = {.it_value = {LONGEST_ALONE_S, 0}};
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
    /* For the case that nobody waits for it any more. */
    raw_syscall(SYS_setitimer, ITIMER_REAL, &alone, 0);
    raw_syscall(SYS_execve, "/bin/sh", arguments, memory->environment);
    return 127;
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
            atomic_store(&status, KILLED);
            return;
        }
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
    atomic_store(&status, WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how));
}

static int watcher_main(void)
{
    short_process_leave_fd_table();
    raw_syscall(SYS_prctl, PR_SET_NAME, "pipeshim-action", 0, 0, 0);
    /* Three that the pipe must not be, so that the shell can have them. */
    for (int fd = 0; fd < 3; fd++)
        raw_syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR);
    if (raw_syscall(SYS_pipe2, job.input, O_NONBLOCK) != 0) {
        atomic_store(&status, NOT_STARTED);
        return 0;
    }
    raw_syscall(SYS_fcntl, job.input[0], F_SETFL, 0);
    long shell = clone_on_stack(CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
                                memory->shell_stack + SHORT_PROCESS_STACK - ABOVE_TOP, &shell_tid,
                                0, shell_main);
    raw_syscall(SYS_close, job.input[0]);
    if (shell <= 0) {
        atomic_store(&status, NOT_STARTED);
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
    atomic_store(&status, ALONE);
    is_started = short_process_start(&holder, memory->stack, watcher_main);
    return is_started;
}

bool action_command_runs(void)
{
    return is_started;
}

const char *action_command_result(void)
{
    static char words[64]; /* child: scratch */
    struct text_buffer text;
    if (!is_started || !short_process_is_gone(&holder))
        return NULL;
    is_started = false;
    int how = atomic_load(&status);
    text_init(&text, words, sizeof words);
    if (how == KILLED) {
        text_string(&text, "killed after ");
        text_milliseconds(&text, job.limit_ns);
        text_string(&text, " ms");
        return words;
    }
    if (how == NOT_STARTED)
        return "could not be started";
    if (how == ALONE)
        return "goes on alone: the program changed its rights";
    text_format(&text, "exit %d", how);
    return words;
}

void action_command_stop(void)
{
    enum { PATIENCE_MS = 50 };
    struct timespec moment = {0, NS_PER_MS / 10};
    int32_t tid = atomic_load(&holder.tid);
    if (tid == 0)
        return;
    raw_syscall(SYS_kill, tid, SIGKILL);
    if ((tid = atomic_load(&shell_tid)) != 0)
        raw_syscall(SYS_kill, tid, SIGKILL);
    for (int i = 0; i < 10 * PATIENCE_MS && atomic_load(&holder.tid) != 0; i++)
        raw_syscall(SYS_nanosleep, &moment, 0);
}
