// SPDX-License-Identifier: MIT
/*
 * A program with TLS_BYTES (of the compiler's command line) of thread-local variables, that gets
 * stuck in a write to stdout, by its main thread or with an argument by another one. Says on stderr
 * whether all of its thread-local variables are still what it made them.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef TLS_BYTES
#define TLS_BYTES 20000
#endif

static __thread volatile unsigned char variables[TLS_BYTES];
static char block[4096];

static void *get_stuck(void *intact)
{
    for (unsigned i = 0; i < TLS_BYTES; i += 64)
        variables[i] = (unsigned char)(i / 64 + 1);
    for (int i = 0; i < 64; i++)
        if (write(1, block, sizeof block) < 0)
            return NULL;
    for (unsigned i = 0; i < TLS_BYTES; i++)
        if (variables[i] != (i % 64 ? 0 : (unsigned char)(i / 64 + 1)))
            return NULL;
    return intact;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    void *intact = NULL;
    if (argc == 1)
        intact = get_stuck(argv);
    else if (pthread_create(&thread, NULL, get_stuck, argv) == 0)
        pthread_join(thread, &intact);
    dprintf(2, "intact %d\n", intact != NULL);
    return 7;
}
