// SPDX-License-Identifier: MIT
/*
 * A program that gets stuck in a write to stdout (a full pipe) and gives up rights while the
 * library watches it. rights HOW HOW: setuid, capset, nnp, unshare, landlock or blind (that forbids
 * to read /proc), with "raw-" before it through syscall(), with "asm-" by a system call instruction
 * of its own; none: nothing. Waits for a byte on stdin, does it, says on stderr what it returned
 * and whether any thread of the process has more rights than the calling one, and gets stuck again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "own_instruction.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_restrict_self  446
#endif

extern int capset(void *header, const void *data);

static char block[4096];

static long call(const char *how, long number, long a, long b, long c)
{
    return strncmp(how, "asm-", 4) == 0 ? own_instruction(number, a, b, c)
                                        : syscall(number, a, b, c, 0, 0);
}

static long enter_landlock(const char *how)
{
    /* Write files, make regular ones; blind: read files as well. */
    uint64_t handled = (1 << 1) | (1 << 8) | (strstr(how, "blind") ? 1 << 2 : 0);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* or it would need CAP_SYS_ADMIN */
    long ruleset = syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    return ruleset < 0 ? ruleset : call(how, SYS_landlock_restrict_self, ruleset, 0, 0);
}

static long give_up(const char *how)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0}, {0}};
    const char *what = strchr(how, '-') ? strchr(how, '-') + 1 : how;
    int direct = what == how;
    if (strcmp(what, "setuid") == 0)
        return direct ? setuid(65534) : call(how, SYS_setuid, 65534, 0, 0);
    if (strcmp(what, "capset") == 0)
        return direct ? capset(&header, none) : call(how, SYS_capset, (long)&header, (long)none, 0);
    if (strcmp(what, "nnp") == 0)
        return direct ? prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
                      : call(how, SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0);
    if (strcmp(what, "unshare") == 0)
        return direct ? unshare(CLONE_NEWNET) : call(how, SYS_unshare, CLONE_NEWNET, 0, 0);
    if (strcmp(what, "landlock") == 0 || strcmp(what, "blind") == 0)
        return enter_landlock(how);
    return 0;
}

/* What the kernel tells of the rights of one thread; no stdio: it may have been made unable. */
static void rights_of(const char *tid, char *to, size_t capacity)
{
    static const char *const names[] = {"Uid:", "CapPrm:", "CapEff:", "NoNewPrivs:"};
    char path[64];
    char text[8192];
    snprintf(path, sizeof path, "/proc/self/task/%s/status", tid);
    int fd = open(path, O_RDONLY);
    long size = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    to[0] = '\0';
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        const char *line = strstr(text, names[i]);
        if (line)
            snprintf(to + strlen(to), capacity - strlen(to), "%.*s ", (int)strcspn(line, "\n"),
                     line);
    }
    snprintf(path, sizeof path, "/proc/self/task/%s/ns/net", tid);
    size = readlink(path, text, sizeof text - 1);
    text[size > 0 ? size : 0] = '\0';
    snprintf(to + strlen(to), capacity - strlen(to), "%s", text);
}

/* How many threads have other rights than the caller. */
static int others(DIR *tasks)
{
    char own[512];
    char theirs[512];
    int count = 0;
    char self[16];
    snprintf(self, sizeof self, "%d", (int)getpid());
    rights_of(self, own, sizeof own);
    rewinddir(tasks);
    for (struct dirent *task; (task = readdir(tasks));) {
        if (task->d_name[0] == '.')
            continue;
        rights_of(task->d_name, theirs, sizeof theirs);
        /* One that is gone by now has none. */
        if (strcmp(own, theirs) != 0 && strchr(theirs, ':'))
            count++;
    }
    return count;
}

static void write_until_read(void)
{
    for (int i = 0; i < 64; i++)
        if (write(1, block, sizeof block) < 0)
            exit(9);
}

static void change_and_write(int signal)
{
    (void)signal;
    int saved_errno = errno;
    if (seteuid(geteuid()) != 0 || write(1, block, 5000 % sizeof block) < 0)
        _exit(9);
    errno = saved_errno;
}

static int storm(void)
{
    enum { ROUNDS = 1000, PERIOD_US = 1500 };
    struct sigaction action = {.sa_handler = change_and_write, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, PERIOD_US}, {0, PERIOD_US}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < ROUNDS; i++)
        change_and_write(0);
    return 7;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    char c;
    DIR *tasks = opendir("/proc/self/task");
    if (strcmp(how, "storm") == 0)
        return storm();
    write_until_read();
    if (read(0, &c, 1) != 1)
        return 9;
    long result = give_up(how);
    int error = result < 0 && strncmp(how, "asm-", 4) != 0 ? errno : (int)-result;
    int at_once = others(tasks);
    int later = at_once;
    for (int i = 0; later && i < 2000; i++) {
        usleep(5000);
        later = others(tasks);
    }
    /* Landlock may forbid nothing of this: stderr is open. */
    dprintf(2, "%s %ld errno %d at once %d later %d\n", how, result, result ? error : 0, at_once,
            later);
    write_until_read();
    return 7;
}
