// SPDX-License-Identifier: MIT
/*
 * Is stuck on a pipe of its own until its stderr, a file, has a report on that, and ends at once:
 * what it has printed is flushed by exit(), last of all.
 */
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int ends[2];

static void *read_late(void *unused)
{
    static char all[1 << 20];
    struct stat log = {0};
    while (fstat(STDERR_FILENO, &log) == 0 && log.st_size == 0)
        usleep(100);
    (void)!read(ends[0], all, sizeof all);
    return unused;
}

int main(void)
{
    static const char more_than_fits[(1 << 16) + 1];
    pthread_t reader;
    if (pipe(ends) != 0 || pthread_create(&reader, NULL, read_late, NULL) != 0)
        return 1;
    fputs("last words", stdout);
    return write(ends[1], more_than_fits, sizeof more_than_fits) < 0;
}
