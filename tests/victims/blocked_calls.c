// SPDX-License-Identifier: MIT
/*
 * One call that gets stuck because what it writes to is full.   blocked_calls CALL
 * The full one is stdout, or stderr for what writes there; the other one is told what the call
 * returned. Ends with stdin. Calls of the send family want a socketpair as stdout.
 */
#include <err.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "own_instruction.h"
#include <wchar.h>

/* What programs built with _FORTIFY_SOURCE call instead. */
extern int __dprintf_chk(int fd, int flag, const char *format, ...);
extern int __vdprintf_chk(int fd, int flag, const char *format, va_list list);
extern int __fprintf_chk(FILE *file, int flag, const char *format, ...);

enum { SIZE = 5000 };
static char block[SIZE + 1];
static struct iovec vector = {block, SIZE};
static struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

static void fill(int fd)
{
    static char filling[4096];
    memset(filling, 'f', sizeof filling);
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (write(fd, filling, sizeof filling) > 0)
        ;
    fcntl(fd, F_SETFL, flags);
}

static int source_file(void)
{
    int fd = memfd_create("source", 0);
    if (write(fd, block, SIZE) != SIZE)
        exit(3);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static int source_pipe(void)
{
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], block, SIZE) != SIZE)
        exit(3);
    return ends[0];
}

static long by_vdprintf(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    long result = vdprintf(1, format, list);
    va_end(list);
    return result;
}

static long by_vdprintf_chk(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    long result = __vdprintf_chk(1, 1, format, list);
    va_end(list);
    return result;
}

static long by_vfprintf(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    long result = vfprintf(stderr, format, list);
    va_end(list);
    return result;
}

static long by_sendmmsg(void)
{
    struct mmsghdr messages = {.msg_hdr = message};
    return sendmmsg(1, &messages, 1, 0);
}

static long by_unlocked_characters(void)
{
    long count = 0;
    for (int i = 0; i < SIZE; i++)
        count += putc_unlocked('u', stdout) == 'u';
    return count;
}

/* putc_unlocked as an optimizing compiler inlines it. */
static long by_inlined_characters(void)
{
    long count = 0;
    for (int i = 0; i < SIZE; i++)
        count += __putc_unlocked_body('u', stdout) == 'u';
    return count;
}

static long by_wide_characters(void)
{
    static wchar_t wide[SIZE + 1];
    wmemset(wide, L'w', SIZE);
    return fwprintf(stdout, L"%ls\n", wide) + fflush(stdout);
}

static void *print_line(void *unused)
{
    fprintf(stderr, "one line\n");
    return unused;
}

static long by_three_threads(void)
{
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, print_line, NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    return 3;
}

/* The case labels are where the victim is seen stuck: everything is called from here. */
#define IS(name) (strcmp(call, name) == 0)
static __attribute__((noinline)) long stuck_here(const char *call)
{
    long done = 0;
    errno = ENOENT; /* perror and warn must say this one, whatever was called before */
    if (IS("write"))
        return write(1, block, SIZE);
    if (IS("writev"))
        return writev(1, &vector, 1);
    if (IS("pwritev2"))
        return pwritev2(1, &vector, 1, -1, 0);
    if (IS("pwritev64v2"))
        return pwritev64v2(1, &vector, 1, -1, 0);
    if (IS("send"))
        return send(1, block, SIZE, 0);
    if (IS("sendto"))
        return sendto(1, block, SIZE, 0, NULL, 0);
    if (IS("sendmsg"))
        return sendmsg(1, &message, 0);
    if (IS("sendmmsg"))
        return by_sendmmsg();
    if (IS("sendfile"))
        return sendfile(1, source_file(), NULL, SIZE);
    if (IS("sendfile64"))
        return sendfile64(1, source_file(), NULL, SIZE);
    if (IS("splice"))
        return splice(source_file(), NULL, 1, NULL, SIZE, 0);
    if (IS("tee"))
        return tee(source_pipe(), 1, SIZE, 0);
    if (IS("vmsplice"))
        return vmsplice(1, &vector, 1, 0);
    if (IS("dprintf"))
        return dprintf(1, "%s", block);
    if (IS("vdprintf"))
        return by_vdprintf("%s", block);
    if (IS("__dprintf_chk"))
        return __dprintf_chk(1, 1, "%s", block);
    if (IS("__vdprintf_chk"))
        return by_vdprintf_chk("%s", block);
    if (IS("syscall"))
        return syscall(SYS_write, 1, block, SIZE);
    if (IS("instruction"))
        return own_instruction(SYS_write, 1, (long)block, (long)SIZE);
    if (IS("puts"))
        done = puts(block) >= 0;
    else if (IS("fwrite"))
        done = (long)fwrite(block, 1, SIZE, stdout);
    else if (IS("putc_unlocked"))
        done = by_unlocked_characters();
    else if (IS("__overflow"))
        done = by_inlined_characters();
    else if (IS("fwprintf"))
        return by_wide_characters();
    else if (IS("fflush"))
        return fprintf(stdout, "%.100s", block) + fflush(stdout);
    else if (IS("exit")) {
        printf("%.100s", block);
        exit(7);
    } else if (IS("fprintf"))
        return fprintf(stderr, "%d %s\n", 1, block);
    else if (IS("vfprintf"))
        return by_vfprintf("%s\n", block);
    else if (IS("__fprintf_chk"))
        return __fprintf_chk(stderr, 1, "%s\n", block);
    else if (IS("fputs"))
        return fputs(block, stderr) >= 0;
    else if (IS("fputc"))
        return fputc('c', stderr);
    else if (IS("perror"))
        perror("victim");
    else if (IS("warn"))
        warn("%s", "victim");
    else if (IS("warnx"))
        warnx("%s", "victim");
    else if (IS("err"))
        err(7, "%s", "victim");
    else if (IS("error"))
        error(0, ENOENT, "%s", "victim");
    else if (IS("psignal"))
        psignal(SIGPIPE, "victim");
    else if (IS("lock"))
        return by_three_threads();
    else
        exit(64);
    return done;
}

int main(int argc, char **argv)
{
    static const char *const on_stderr[] = {"fprintf", "vfprintf", "__fprintf_chk", "fputs",
                                            "fputc",   "perror",   "warn",          "warnx",
                                            "err",     "error",    "psignal",       "lock"};
    int full = 1;
    if (argc != 2)
        return 64;
    for (unsigned i = 0; i < sizeof on_stderr / sizeof *on_stderr; i++)
        if (strcmp(argv[1], on_stderr[i]) == 0)
            full = 2;
    memset(block, 'b', SIZE);
    fill(full);
    long result = stuck_here(argv[1]);
    int number = errno;
    dprintf(3 - full, "returned %ld, errno %d\n", result, number);
    while (read(0, block, 1) > 0)
        ;
    return 7;
}
