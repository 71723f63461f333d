// SPDX-License-Identifier: MIT
/*
 * Writes to stderr what its reader can check byte by byte:
 *   drain_writer count FILE            numbered lines without end; FILE holds, as a 64-bit number,
 *                                      how many writes have returned
 *   drain_writer threads N SIZE COUNT  N threads make COUNT writes of SIZE bytes each; a byte is
 * the thread's number times 16 and its place modulo 16 drain_writer pipe                  writes
 * until there is no reader; exits 32 + EPIPE
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t size;
static long count;

static void write_lines(const char *path)
{
    int file = open(path, O_RDWR);
    _Atomic uint64_t *done = mmap(NULL, sizeof *done, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    char line[11];
    if ((void *)done == MAP_FAILED)
        abort();
    for (uint64_t i = 0;; i++) {
        snprintf(line, sizeof line, "%09llu\n", (unsigned long long)i % 1000000000);
        if (write(2, line, 10) != 10)
            abort();
        atomic_store(done, i + 1);
    }
}

static void *write_messages(void *number)
{
    unsigned char *message = malloc(size);
    unsigned char high = (unsigned char)((uintptr_t)number << 4);
    size_t place = 0;
    for (long i = 0; i < count; i++) {
        for (size_t k = 0; k < size; k++)
            message[k] = high | (unsigned char)(place++ & 15);
        if (write(2, message, size) != (ssize_t)size)
            abort();
    }
    free(message);
    return NULL;
}

static void write_in_threads(unsigned threads)
{
    pthread_t ids[16];
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, write_messages, (void *)(uintptr_t)i) != 0)
            abort();
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
}

int main(int argc, char **argv)
{
    static char bytes[1000];
    if (argc == 3 && !strcmp(argv[1], "count")) {
        write_lines(argv[2]);
    } else if (argc == 5) {
        size = (size_t)atol(argv[3]);
        count = atol(argv[4]);
        write_in_threads((unsigned)atoi(argv[2]));
    } else if (argc == 2) {
        signal(SIGPIPE, SIG_IGN);
        while (write(2, bytes, sizeof bytes) == sizeof bytes)
            usleep(1000);
        return 32 + errno;
    }
    return 0;
}
