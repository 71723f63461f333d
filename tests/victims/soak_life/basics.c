// SPDX-License-Identifier: MIT
#include "life.h"

#include <fcntl.h>
#include <sys/wait.h>

char block[MORE_THAN_A_PIPE];
uint64_t chance;
int words = 2;

unsigned choose(unsigned below)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return (unsigned)(chance >> 33) % below;
}

void say(const char *turn, const char *how, long result)
{
    dprintf(words, "%s %s %ld\n", turn, how, result);
}

long outcome(int status)
{
    return WIFSIGNALED(status) ? WTERMSIG(status) : 1000 + WEXITSTATUS(status);
}

long outcome_of(pid_t child)
{
    int status = -1;
    while (waitpid(child, &status, __WALL) < 0)
        if (errno != EINTR)
            return -errno;
    return outcome(status);
}

void make_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        exit(90);
}

struct slow_pipe slow_pipe_make(void)
{
    int ends[2];
    unsigned delay = 2000 + choose(8000);
    make_pipe(ends);
    pid_t reader = fork();
    if (reader == 0) {
        char buffer[4096];
        for (int fd = 3; fd < 64; fd++) /* the writing ends of other pipes as well */
            if (fd != ends[0])
                close(fd);
        usleep(delay);
        while (read(ends[0], buffer, sizeof buffer) > 0)
            ;
        _exit(0);
    }
    close(ends[0]);
    return (struct slow_pipe){ends[1], reader};
}

long slow_pipe_end(struct slow_pipe pipe)
{
    close(pipe.fd);
    return outcome_of(pipe.reader);
}

long write_all(int fd, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t written = write(fd, block, size - done);
        if (written < 0 && errno != EINTR)
            return -errno;
        done += written > 0 ? (size_t)written : 0;
    }
    return (long)done;
}

long write_slowly(void)
{
    struct slow_pipe pipe = slow_pipe_make();
    long written = write_all(pipe.fd, sizeof block);
    return slow_pipe_end(pipe) == 1000 ? written : -1;
}
