// SPDX-License-Identifier: MIT
/*
 * Writes more than a pipe holds to a stdout that does not block.
 *   shared_stdio early      which it made so itself, with its first call
 *   shared_stdio replaced   which is a pipe of its own, made so from the start
 *   shared_stdio vfork      as somebody else made it, after a vfork child had one of its own
 *   shared_stdio waits      as somebody else made it; then it waits for the end of its stdin
 *   shared_stdio strict     as somebody else made it, in seccomp's strict mode
 */
#include <fcntl.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char bytes[200000];

static void fill(void)
{
    for (int i = 0; i < 3; i++)
        if (write(1, bytes, sizeof bytes) < 0)
            continue;
}

static void replace(void)
{
    int ends[2];
    if (pipe2(ends, O_NONBLOCK) == 0)
        dup2(ends[1], 1);
}

static void with_a_child(void)
{
    pid_t child = vfork();
    if (child == 0) {
        dup2(2, 1);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    if (strcmp(how, "early") == 0) {
        fcntl(1, F_SETFL, fcntl(1, F_GETFL) | O_NONBLOCK);
    } else if (strcmp(how, "replaced") == 0) {
        replace();
    } else if (strcmp(how, "vfork") == 0) {
        with_a_child();
    } else if (strcmp(how, "strict") == 0) {
        if (write(1, bytes, 5000) != 5000 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
            return 1;
        fill();
        syscall(SYS_exit, 0);
    }
    fill();
    if (strcmp(how, "waits") == 0)
        while (read(0, bytes, sizeof bytes) > 0)
            continue;
    return 0;
}
