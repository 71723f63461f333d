// SPDX-License-Identifier: MIT
#include "cli/run_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/diagnose/select.h"

enum {
    EXIT_CANNOT_RUN = 126, /* as shells and env(1) have it */
    EXIT_NOT_FOUND = 127,
    EXIT_OS_ERROR = 71, /* EX_OSERR of sysexits.h */
    SIGNAL_BASE = 128,
};

static sigset_t original_mask;

/* All but those that report a fault of this very process. They stay blocked and are read from the
 * signalfd: no handler, no changed disposition, nothing that the child could inherit. */
static void watched_signals(sigset_t *set)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigfillset(set);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(set, faults[i]);
}

static void execute(char *const *command, int error_fd)
{
    sigprocmask(SIG_SETMASK, &original_mask, NULL);
    execvp(command[0], command);
    int error = errno;
    ssize_t unused = write(error_fd, &error, sizeof error);
    (void)unused;
    _exit(error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

static int os_error(const char *what)
{
    fprintf(stderr, "pipeshim run: %s: %s\n", what, strerror(errno));
    return EXIT_OS_ERROR;
}

/* Waits until the child has executed the command (the pipe closes) or failed to (its errno). */
static int await_exec(struct run_process *process, int error_fd, const char *command)
{
    int error = 0;
    ssize_t got;
    do
        got = read(error_fd, &error, sizeof error);
    while (got < 0 && errno == EINTR);
    if (got != sizeof error)
        return 0;
    fprintf(stderr, "pipeshim run: %s: %s\n", command, strerror(error));
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

int run_process_start(struct run_process *process, char *const *command, const struct relay *relay)
{
    int error_pipe[2];
    sigset_t watched;
    *process = (struct run_process){.signal_fd = -1};
    watched_signals(&watched);
    sigprocmask(SIG_BLOCK, &watched, &original_mask);
    /* Ignored, as some parents leave it to their children, it would hide the child's end. */
    struct sigaction before;
    sigaction(SIGCHLD, &(struct sigaction){.sa_handler = SIG_DFL}, &before);
    process->signal_fd = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    if (process->signal_fd < 0)
        return os_error("signalfd");
    if (pipe2(error_pipe, O_CLOEXEC) != 0)
        return os_error("pipe");
    process->pid = fork();
    if (process->pid == 0) {
        sigaction(SIGCHLD, &before, NULL);
        relay_enter(relay);
        execute(command, error_pipe[1]);
    }
    close(error_pipe[1]);
    int status =
        process->pid < 0 ? os_error("fork") : await_exec(process, error_pipe[0], command[0]);
    close(error_pipe[0]);
    return status;
}

/* Stops this process by the signal that stopped the child, and lets the child go on afterwards. The
 * shell sees one stopped job; its `fg` continues the whole group, a lone SIGCONT only us. */
static void stop_with_child(struct run_process *process, int signal)
{
    /* Who stops the child alone by SIGSTOP will continue it alone, too: we must not stay behind.
     * After ^Z it is the way in which some programs stop when their screen is restored. */
    if (signal == SIGSTOP && !process->stop_asked)
        return;
    process->stop_asked = false;
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signal);
    struct sigaction before;
    if (signal != SIGSTOP)
        sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, &before);
    kill(getpid(), signal); /* pending until it is unblocked */
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    sigprocmask(SIG_BLOCK, &one, NULL);
    if (signal != SIGSTOP)
        sigaction(signal, &before, NULL);
    kill(process->pid, SIGCONT);
}

static void reap(struct run_process *process)
{
    int status;
    while (!process->ended && waitpid(process->pid, &status, WNOHANG | WUNTRACED) == process->pid) {
        if (WIFSTOPPED(status)) {
            stop_with_child(process, WSTOPSIG(status));
        } else {
            process->ended = true;
            process->status = status;
        }
    }
}

static void pass_on(struct run_process *process, const struct signalfd_siginfo *info)
{
    int signal = (int)info->ssi_signo;
    /* The kernel sends what the terminal causes to the whole foreground group: the child has it. */
    bool by_process =
        info->ssi_code == SI_USER || info->ssi_code == SI_QUEUE || info->ssi_code == SI_TKILL;
    if (!by_process && signal == SIGTSTP)
        process->stop_asked = true;
    if (!by_process || info->ssi_pid == (uint32_t)process->pid ||
        info->ssi_pid == (uint32_t)getpid())
        return;
    if (info->ssi_code == SI_QUEUE)
        sigqueue(process->pid, signal, (union sigval){.sival_ptr = (void *)info->ssi_ptr});
    else
        kill(process->pid, signal);
}

void run_process_signals(struct run_process *process)
{
    struct signalfd_siginfo info;
    while (read(process->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap(process);
        else if (!process->ended)
            pass_on(process, &info);
    }
    reap(process); /* several ends of children may arrive as one SIGCHLD */
}

void run_process_kill_tree(const struct run_process *process, int signal)
{
    unsigned count = 0;
    int *pids = find_tree(process->pid, &count);
    for (unsigned i = 0; i < count; i++)
        kill(pids[i], signal);
    free(pids);
}

bool run_process_succeeded(const struct run_process *process)
{
    return WIFEXITED(process->status) && WEXITSTATUS(process->status) == 0;
}

void run_process_exit_like(const struct run_process *process)
{
    if (!WIFSIGNALED(process->status))
        _exit(WEXITSTATUS(process->status));
    int signal = WTERMSIG(process->status);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signal);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* the child has left the core file, if any */
    sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    kill(getpid(), signal);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    _exit(SIGNAL_BASE + signal);
}
