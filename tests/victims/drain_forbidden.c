// SPDX-License-Identifier: MIT
/*
 * A program that forbids itself to read the processor's counter, and goes on writing lines of 100
 * bytes to stderr, some of them right after the pipe was seen empty.
 *
 *   drain_forbidden strict   by seccomp's strict mode: read, write and exit are left
 *   drain_forbidden tsc      by PR_SET_TSC
 *   drain_forbidden none     not at all
 */
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int put(int lines)
{
    char line[100];
    memset(line, 'x', sizeof line);
    for (int i = 0; i < lines; i++)
        if (write(2, line, sizeof line) != sizeof line)
            return 1;
    return 0;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    if (put(50))
        return 1;
    if (!strcmp(how, "strict"))
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
    else if (strcmp(how, "none") != 0)
        prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
    int result = put(150);
    if (!strcmp(how, "strict"))
        syscall(SYS_exit, result);
    return result;
}
