// SPDX-License-Identifier: MIT
/*
 * A thread that is interrupted, or cancelled, while it writes to stderr.
 *
 *   drain_interrupts WHAT CALL
 *       CALL  small     write() of 1,000 bytes, again and again
 *             large     one write() of 8,000,000 bytes
 *             endless   write() of 1,000 bytes, for ever
 *             sendfile  write() of 300,000 bytes, then sendfile() of 1,000
 *       WHAT  signal    SIGUSR1 has a handler, which says "handled"; without SA_RESTART
 *             restart   the same with SA_RESTART: nothing is interrupted
 *             cancel    a line on stdin cancels the writing thread
 *       The thread's number goes to stdout, then a line of how it ended: "EINTR BYTES",
 *       "wrote BYTES" or "cancelled"; BYTES are those that were acknowledged.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SMALL = 1000, WRITES = 5000, FIRST = 300000, LARGE = 8000000 };

static char data[LARGE];
static const char *call;

static void handler(int number)
{
    (void)number;
    if (write(1, "handled\n", 8) != 8)
        _exit(3);
}

static long write_all(long bytes, long each)
{
    long written = 0;
    while (written < bytes) {
        ssize_t result = write(2, data, (size_t)each);
        if (result < 0)
            return errno == EINTR ? -written - 1 : 0;
        written += result;
        if (result < each)
            return -written - 1;
    }
    return written;
}

static long copy_file(void)
{
    FILE *file = tmpfile();
    off_t at = 0;
    if (!file || fwrite(data, 1, SMALL, file) != SMALL || fflush(file) != 0)
        return 0;
    ssize_t result = sendfile(2, fileno(file), &at, SMALL);
    return result < 0 && errno == EINTR ? -FIRST - 1 : FIRST + result;
}

/* Not through stdio: a cancellation that hits inside fflush() leaves its bytes in the buffer, and
 * exit() flushes them once more. */
static void say(const char *format, long number)
{
    char line[64];
    int size = snprintf(line, sizeof line, format, number);
    if (write(1, line, (size_t)size) != size)
        _exit(3);
}

static void *writes(void *unused)
{
    long written;
    /* The one line that must come: a cancellation waits for it. */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    say("%ld\n", (long)syscall(SYS_gettid));
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    if (!strcmp(call, "endless"))
        written = write_all(LONG_MAX, SMALL);
    else if (!strcmp(call, "small"))
        written = write_all((long)SMALL * WRITES, SMALL);
    else if (!strcmp(call, "large"))
        written = write_all(LARGE, LARGE);
    else
        written = write_all(FIRST, FIRST) == FIRST ? copy_file() : 0;
    if (written < 0)
        say("EINTR %ld\n", -written - 1);
    else
        say("wrote %ld\n", written);
    return unused;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    struct sigaction action = {.sa_handler = handler,
                               .sa_flags = !strcmp(argv[1], "restart") ? SA_RESTART : 0};
    call = argv[2];
    memset(data, 'x', sizeof data);
    sigaction(SIGUSR1, &action, NULL);
    if (strcmp(argv[1], "cancel") != 0) {
        writes(NULL);
        return 0;
    }
    pthread_t thread;
    void *result = NULL;
    char line[2];
    if (pthread_create(&thread, NULL, writes, NULL) != 0 || read(0, line, sizeof line) < 1)
        return 2;
    pthread_cancel(thread);
    pthread_join(thread, &result);
    if (result == PTHREAD_CANCELED)
        printf("cancelled\n");
    return 0;
}
