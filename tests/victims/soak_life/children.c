// SPDX-License-Identifier: MIT
/* Children, made and ended in all ways. */
#include "life.h"

#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern pid_t _Fork(void);
extern char **environ;

void leave(unsigned how)
{
    char *const arguments[] = {"sh", "-c", "exit 5", NULL};
    switch (how) {
    case 0:
        _exit(3);
    case 1:
        exit(4);
    case 2:
        quick_exit(6);
    case 3:
        syscall(SYS_exit, 7);
        break;
    case 4:
        raise(SIGKILL);
        break;
    case 5:
        execve("/nonexistent", arguments, environ);
        execve("/bin/sh", arguments, environ);
        break;
    case 6:
        raise(SIGTERM);
        break;
    default:
        syscall(SYS_exit_group, 8);
    }
    abort();
}

void turn_forks(void)
{
    pid_t children[6];
    unsigned count = 1 + choose(COUNT(children));
    for (unsigned i = 0; i < count; i++) {
        unsigned how = choose(WAYS_TO_LEAVE);
        bool slow = choose(2);
        fflush(stdout);
        children[i] = choose(2) ? fork() : _Fork();
        if (children[i] == 0) {
            if (slow)
                write_slowly();
            leave(how);
        }
    }
    for (unsigned i = 0; i < count; i++)
        say("fork", "child", outcome_of(children[i]));
}

static int cloned(void *unused)
{
    (void)unused;
    return (int)write(-1, block, 1) == -1 ? 9 : 1;
}

void turn_spawn(void)
{
    char *const arguments[] = {"sh", "-c", "sleep 0.005; exit 4", NULL};
    pid_t child = -1;
    fflush(stdout);
    if (posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ) == 0)
        say("spawn", "posix_spawn", outcome_of(child));
    child = vfork();
    if (child == 0) {
        execve("/bin/sh", arguments, environ);
        _exit(99);
    }
    say("spawn", "vfork", outcome_of(child));
    say("spawn", "system", outcome(system("sleep 0.003; exit 2")));
    FILE *stream = popen("sleep 0.003; cat >/dev/null; exit 6", "w");
    if (stream) {
        fwrite(block, 1, sizeof block, stream);
        say("spawn", "popen", outcome(pclose(stream)));
    }
    char *stack = malloc(65536);
    child = clone(cloned, stack + 65536, SIGCHLD | (choose(2) ? CLONE_VM | CLONE_FILES : 0), NULL);
    say("spawn", "clone", outcome_of(child));
    free(stack);
}
