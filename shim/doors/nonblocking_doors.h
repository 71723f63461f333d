// SPDX-License-Identifier: MIT
/*
 * Writes that fail because somebody else has made the stream non-blocking.
 *
 * O_NONBLOCK belongs to the open file description, which all processes share that have inherited
 * it (fcntl(2)). Node makes its own stdout non-blocking; a Python program beside it on the same
 * pipe then dies of EAGAIN. To tell the two apart it must be known who set the flag here: hence
 * fcntl() and ioctl() are interposed, and noted only when they set it.
 */
#ifndef PIPESHIM_DOORS_NONBLOCKING_DOORS_H
#define PIPESHIM_DOORS_NONBLOCKING_DOORS_H

#include <sys/types.h>

/* After a write to `fd` that returned less than it was given, or -1 with errno set. Notes, once for
 * each of the descriptors 0 to 2, that the program was refused there by a flag that it did not set,
 * and wakes the watchdog (watch/refused_writes.h). `caller`: where the program's call returns
 * to; NULL: not known. Keeps errno. */
void write_fell_short(int fd, ssize_t result, const void *caller);

/* Runs on: program threads, signal handlers. AS-safe: yes. Blocks: no. */
#endif
