// SPDX-License-Identifier: MIT
/*
 * Writes that the drainer takes, and then an end or a change of the descriptor:
 *   drain_life HOW    writes AMOUNT bytes 'a' to stderr, does HOW, writes 'b's where it still can
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AMOUNT = 200000 };

static void put(int fd, char letter, size_t amount)
{
    static char bytes[AMOUNT];
    memset(bytes, letter, sizeof bytes);
    if (write(fd, bytes, amount) != (ssize_t)amount)
        abort();
}

static void wait_for(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        abort();
}

static void spawn(void)
{
    char *arguments[] = {"echo", "-n", "", NULL};
    pid_t child;
    if (posix_spawnp(&child, "echo", NULL, NULL, arguments, NULL) != 0)
        abort();
    wait_for(child);
}

static void fork_storm(void)
{
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        if (child == 0) {
            put(2, 'c', 3000);
            _exit(0);
        }
        wait_for(child);
    }
}

static void other_calls(void)
{
    char name[] = "/tmp/pipeshim-drain-XXXXXX";
    char bytes[1000];
    int file = mkstemp(name);
    int ends[2];
    memset(bytes, 's', sizeof bytes);
    unlink(name);
    if (write(file, bytes, sizeof bytes) != sizeof bytes || lseek(file, 0, SEEK_SET) != 0)
        abort();
    if (sendfile(2, file, NULL, sizeof bytes) != sizeof bytes)
        abort();
    if (pipe(ends) != 0 || write(ends[1], bytes, sizeof bytes) != sizeof bytes ||
        splice(ends[0], NULL, 2, NULL, sizeof bytes, 0) != sizeof bytes)
        abort();
}

static void stdio(void)
{
    fprintf(stderr, "%s", "fprintf ");
    fputs("fputs ", stderr);
    dprintf(2, "dprintf %d ", 1);
    errno = ENOENT;
    perror("perror");
    setvbuf(stderr, NULL, _IOFBF, 4096);
    fputs("flushed by exit", stderr);
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    put(2, 'a', AMOUNT);
    if (!strcmp(how, "close")) {
        close(2);
        close(open("/dev/null", O_WRONLY)); /* the number is in use again */
    } else if (!strcmp(how, "close_range")) {
        close_range(2, 2, 0);
    } else if (!strcmp(how, "dup2")) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 2);
        put(2, 'x', 1000);
    } else if (!strcmp(how, "dup")) {
        int second = dup(2);
        put(second, 'b', 1000);
        close(2);
        put(second, 'c', 1000);
        close(second);
    } else if (!strcmp(how, "exec")) {
        execlp("sh", "sh", "-c", "printf %1000s | tr ' ' b >&2", (char *)NULL);
    } else if (!strcmp(how, "vfork")) {
        pid_t child = vfork();
        if (child == 0)
            _exit(0);
        wait_for(child);
        put(2, 'b', 1000);
    } else if (!strcmp(how, "spawn")) {
        spawn();
        put(2, 'b', 1000);
    } else if (!strcmp(how, "forks")) {
        fork_storm();
        put(2, 'b', 1000);
    } else if (!strcmp(how, "others")) {
        other_calls();
        put(2, 'b', 1000);
    } else if (!strcmp(how, "daemon")) {
        if (daemon(0, 1) != 0)
            abort();
        put(2, 'b', 1000);
    } else if (!strcmp(how, "stdio")) {
        stdio();
    } else if (!strcmp(how, "_exit")) {
        _exit(0);
    } else if (!strcmp(how, "quick_exit")) {
        quick_exit(0);
    }
    return 0;
}
