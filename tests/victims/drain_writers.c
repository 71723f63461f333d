// SPDX-License-Identifier: MIT
/*
 * Writes a stream which a reader can check to the byte.
 *
 *   drain_writers CALL FD THREADS COUNT SMALLEST LARGEST
 *       Each thread writes COUNT messages through CALL. Message i of thread t has
 *       SMALLEST + (7919 i + 104729 t) % (LARGEST - SMALLEST + 1) bytes; they continue the thread's
 *       own stream, whose byte at offset o is 16 t + nibble(o % PERIOD).
 *   Exit status 0: every call returned what a successful blocking one returns.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PERIOD = 65521, LARGEST_MESSAGE = 1 << 20 };

static const char *call;
static int target;
static size_t count, smallest, largest;
static unsigned char nibbles[PERIOD];

static ssize_t through_pipe(const char *data, size_t size)
{
    int ends[2];
    size_t done = 0;
    if (pipe(ends) != 0)
        return -1;
    while (done < size) {
        size_t part = size - done < 65536 ? size - done : 65536;
        if (write(ends[1], data + done, part) != (ssize_t)part)
            return -1;
        while (part > 0) {
            ssize_t moved = splice(ends[0], NULL, target, NULL, part, 0);
            if (moved <= 0)
                return -1;
            part -= (size_t)moved;
            done += (size_t)moved;
        }
    }
    close(ends[0]);
    close(ends[1]);
    return (ssize_t)done;
}

static ssize_t through_file(const char *data, size_t size)
{
    char name[] = "/tmp/drain_writers.XXXXXX";
    int file = mkstemp(name);
    off_t at = 0;
    if (file < 0 || unlink(name) != 0 || pwrite(file, data, size, 0) != (ssize_t)size)
        return -1;
    while ((size_t)at < size)
        if (sendfile(target, file, &at, size - (size_t)at) <= 0)
            return -1;
    close(file);
    return (ssize_t)at;
}

static ssize_t in_three_parts(const char *data, size_t size, int how)
{
    size_t first = size / 3;
    size_t second = size / 2 - first;
    struct iovec parts[3] = {{(char *)data, first},
                             {(char *)data + first, second},
                             {(char *)data + first + second, size - first - second}};
    if (how == 'v')
        return writev(target, parts, 3);
    return pwritev2(target, parts, 3, -1, 0);
}

static ssize_t send_message(const char *data, size_t size, size_t number)
{
    static const char *const mixed[] = {"write",  "writev",   "pwritev2",
                                        "splice", "sendfile", "dprintf"};
    const char *name = !strcmp(call, "mixed") ? mixed[number % 6] : call;
    if (!strcmp(name, "write"))
        return write(target, data, size);
    if (!strcmp(name, "writev"))
        return in_three_parts(data, size, 'v');
    if (!strcmp(name, "pwritev2"))
        return in_three_parts(data, size, '2');
    if (!strcmp(name, "splice"))
        return through_pipe(data, size);
    if (!strcmp(name, "sendfile"))
        return through_file(data, size);
    if (!strcmp(name, "send"))
        return send(target, data, size, 0);
    if (!strcmp(name, "dprintf"))
        return dprintf(target, "%.*s", (int)size, data);
    if (!strcmp(name, "fprintf"))
        return fprintf(target == 1 ? stdout : stderr, "%.*s", (int)size, data);
    if (!strcmp(name, "fwrite"))
        return (ssize_t)fwrite(data, 1, size, target == 1 ? stdout : stderr);
    abort();
}

static void *run(void *argument)
{
    size_t thread = (size_t)argument;
    size_t offset = 0;
    char *message = malloc(LARGEST_MESSAGE);
    for (size_t i = 0; i < count; i++) {
        size_t size = smallest + (7919 * i + 104729 * thread) % (largest - smallest + 1);
        for (size_t k = 0; k < size; k++)
            message[k] = (char)(16 * thread + nibbles[(offset + k) % PERIOD]);
        ssize_t result = send_message(message, size, i);
        if (result != (ssize_t)size) {
            printf("message %zu of %zu bytes: %zd\n", i, size, result);
            exit(1);
        }
        offset += size;
    }
    free(message);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return 2;
    call = argv[1];
    target = atoi(argv[2]);
    size_t threads = strtoul(argv[3], NULL, 10);
    count = strtoul(argv[4], NULL, 10);
    smallest = strtoul(argv[5], NULL, 10);
    largest = strtoul(argv[6], NULL, 10);
    if (threads < 1 || threads > 16 || largest > LARGEST_MESSAGE || smallest > largest)
        return 2;
    unsigned state = 1;
    for (int i = 0; i < PERIOD; i++) {
        state = state * 1664525 + 1013904223;
        nibbles[i] = (unsigned char)(state >> 28);
        /* printf's %s ends at a zero byte. */
        nibbles[i] += nibbles[i] == 0;
    }
    pthread_t others[16];
    for (size_t i = 1; i < threads; i++)
        pthread_create(&others[i], NULL, run, (void *)i);
    run(NULL);
    for (size_t i = 1; i < threads; i++)
        pthread_join(others[i], NULL);
    return 0;
}
