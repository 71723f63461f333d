// SPDX-License-Identifier: MIT
/*
 * Writes of memory that cannot be read, to stderr, while something is queued before them. Each case
 * says "NAME RESULT ERRNO" on stdout, as write(2) answers on a pipe that has room.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* What the compiler would warn of. */
static void *volatile low = (void *)16;
static void *volatile null = NULL;
static volatile int more_than_may_be = IOV_MAX + 1;
static volatile int negative = -1;

static void say(const char *name, ssize_t result)
{
    int error = result < 0 ? errno : 0;
    printf("%s %zd %d\n", name, result, error);
}

int main(int argc, char **argv)
{
    static char fill[300000];
    long page = sysconf(_SC_PAGESIZE);
    struct iovec good = {fill, 10};
    struct iovec bad[2] = {{fill, 10}, {(void *)16, 10}};
    struct iovec too_long[2] = {{fill, SSIZE_MAX}, {fill, SSIZE_MAX}};
    struct iovec nothing[2] = {{(void *)16, 0}, {NULL, 0}};
    char *pages =
        mmap(NULL, 2 * (size_t)page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(fill, 'x', sizeof fill);
    memset(pages, 'y', 2 * (size_t)page);
    munmap(pages + page, (size_t)page);
    if (argc > 1 && !strcmp(argv[1], "queued") && write(2, fill, sizeof fill) != sizeof fill)
        return 1;
    say("bad", write(2, low, 1));
    say("null", write(2, null, 1));
    say("kernel", write(2, (char *)low - 4112, 1));
    say("half", write(2, pages + page - 100, 200));
    say("writev vector", writev(2, low, 2));
    say("writev null", writev(2, null, 3));
    say("writev one bad", writev(2, bad + 1, 1));
    say("writev second bad", writev(2, bad, 2));
    say("pwritev2", pwritev2(2, (struct iovec *)((char *)low - 4112), 1, -1, 0));
    say("too many", writev(2, &good, more_than_may_be));
    say("too long", writev(2, too_long, 2));
    say("negative", writev(2, &good, negative));
    say("nothing", writev(2, nothing, 2));
    say("good", writev(2, &good, 1));
    fflush(stdout);
    return 0;
}
