// SPDX-License-Identifier: MIT
/*
 * Memory of the program that a queued write is copied from, in user space: write(2) answers EFAULT
 * for what cannot be read, and programs ask it just for that (unwinders, garbage collectors).
 */
#ifndef PIPESHIM_DRAIN_READABLE_H
#define PIPESHIM_DRAIN_READABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* Where static data lies. Constructor. */
void readable_prepare(void);

/* True if all of it can be read. One cheap system call a page, as nothing else knows; of static
 * data and the thread's own stack it is believed for 100 us, unless the program has changed what is
 * mapped meanwhile. `now` is ticks_now(). It holds while mapping_is_as_asked(), of the
 * mapping_version() before. */
bool readable(const void *memory, uint64_t size, uint64_t now);

/* True if it is known without a question. `size` is not 0. */
bool readable_is_known(const void *memory, uint64_t size, uint64_t now);

/* How many bytes of the vector, which can be read itself, can be read from its beginning on. */
uint64_t readable_bytes(const struct iovec *vector, int count, uint64_t now);

/* Runs on: program threads. AS-safe: yes. Blocks: no. */
#endif
