// SPDX-License-Identifier: MIT
/*
 * stderr for `pipeshim run`, which must never wait there: stderr may be the very pipe that nobody
 * reads. Text is queued in bounded memory and written as far as there is space; what finds no place
 * in the queue is dropped and counted.
 */
#ifndef PIPESHIM_CLI_RUN_OUTPUT_H
#define PIPESHIM_CLI_RUN_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RUN_OUTPUT_LIMIT = 1 << 20 };

struct run_output {
    int fd;
    int way; /* private: how to write without waiting */
    char *queue;
    size_t length;
    uint64_t dropped; /* texts */
    bool broken;      /* stderr is closed, or its readers are gone */
};

/* False: no memory. */
bool run_output_open(struct run_output *output);
void run_output_close(struct run_output *output);

/* Adds a text, all of it or nothing. */
void run_output_put(struct run_output *output, const char *text, size_t length);
/* Writes what there is space for. */
void run_output_flush(struct run_output *output);
static inline bool run_output_pending(const struct run_output *output)
{
    return output->length > 0 && !output->broken;
}
/* Writes on until the queue is empty or no reader took anything for `milliseconds`. */
void run_output_finish(struct run_output *output, int milliseconds);

/* Runs on: tool. AS-safe: no. Blocks: no; run_output_finish() as long as its caller says. */
#endif
