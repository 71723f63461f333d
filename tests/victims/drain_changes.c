// SPDX-License-Identifier: MIT
/*
 * A descriptor that becomes another pipe while the drainer remembers what it was:
 *   drain_changes HOW OTHER   writes to fd 2 until that is surely remembered, makes fd 2 the pipe
 *                             OTHER by HOW, and writes to fd 2 again. 'a' is for the first pipe,
 *                             'b' for the other: 1000 writes of each.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int other;

static void put(int fd, char letter)
{
    for (int i = 0; i < 1000; i++)
        if (write(fd, &letter, 1) != 1)
            abort();
}

static void require(int fd)
{
    if (fd != 2)
        abort();
}

static void by_child(void)
{
    pid_t child = vfork();
    if (child == 0) { /* its table is its own, its memory is not */
        dup2(other, 2);
        put(2, 'b');
        _exit(0);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        abort();
    put(2, 'a');
}

static void by_pclose(void)
{
    FILE *command = popen("cat >/dev/null", "w");
    int fd = fileno(command);
    put(fd, 'x');
    pclose(command);
    if (fcntl(other, F_DUPFD, fd) != fd)
        abort();
    put(fd, 'b');
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 64;
    const char *how = argv[1];
    other = atoi(argv[2]);
    put(2, 'a');
    if (!strcmp(how, "close")) {
        close(2);
        require(dup(other));
    } else if (!strcmp(how, "dup2")) {
        require(dup2(other, 2));
    } else if (!strcmp(how, "dup3")) {
        require(dup3(other, 2, O_CLOEXEC));
    } else if (!strcmp(how, "close_range")) {
        close_range(2, 2, 0);
        require(dup(other));
    } else if (!strcmp(how, "closefrom")) {
        if (dup2(other, 1) != 1)
            abort();
        closefrom(2);
        require(dup(1));
    } else if (!strcmp(how, "fclose")) {
        fclose(stderr);
        require(dup(other));
    } else if (!strcmp(how, "freopen")) {
        char path[32];
        snprintf(path, sizeof path, "/dev/fd/%d", other);
        if (!freopen(path, "w", stderr))
            abort();
        require(fileno(stderr));
    } else if (!strcmp(how, "daemon")) {
        if (daemon(0, 0) != 0) /* fd 2 is /dev/null now */
            abort();
        put(2, 'x');
        put(other, 'b');
        return 0;
    } else if (!strcmp(how, "syscall_close")) {
        syscall(SYS_close, 2);
        require(dup(other));
    } else if (!strcmp(how, "syscall_dup3")) {
        require((int)syscall(SYS_dup3, other, 2, 0));
    } else if (!strcmp(how, "vfork")) {
        by_child();
        return 0;
    } else if (!strcmp(how, "pclose")) {
        by_pclose();
        return 0;
    } else {
        return 64;
    }
    put(2, 'b');
    return 0;
}
