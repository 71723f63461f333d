// SPDX-License-Identifier: MIT
/*
 * Whose turn it is to send to a pipe.
 *
 * A program that is executed over another one, or by it, has a queue of its own, while a helper may
 * still be sending what was written before. So a helper draws a ticket: a record lock (fcntl(2)) on
 * one byte of the pipe itself, behind all that are drawn, and sends when those before it have gone.
 * The kernel keeps the line: who has no descriptor of the pipe cannot touch it, one that dies
 * leaves it, and it is the same in every network namespace.
 *
 * Whoever has a descriptor can lock as well: a worker that gave up its rights, a reader of another
 * user. So nobody is waited for but a process of which the kernel says that it has at least our
 * rights (it could stop us anyway). What cannot be known counts as free: a holder in a PID
 * namespace that is not ours, one that /proc hides, no /proc at all, bytes that a stranger has
 * locked.
 *
 * System calls only: the helper has no libc.
 */
#ifndef PIPESHIM_DRAIN_SEND_ORDER_H
#define PIPESHIM_DRAIN_SEND_ORDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A place in the line: the byte that is locked. */
enum { SEND_ORDER_NONE = -1 };

/* True if a helper sends, or waits for its turn to send, to the pipe that `fd` leads to. */
bool send_order_is_taken(int fd);

/* True if a helper has drawn a ticket behind `ticket`. */
bool send_order_is_wanted(int fd, int64_t ticket);

/* Draws a ticket; SEND_ORDER_NONE: there is none to be had, it is taken without asking. It is given
 * back by closing any descriptor of the pipe. For the helper. */
int64_t send_order_draw(int fd);

/* Waits until all that have drawn before are gone; false: `stop` is not 0 any more, which is looked
 * at when a signal comes. For the helper. */
bool send_order_wait(int fd, int64_t ticket, const _Atomic uint32_t *stop);

/* Runs on: program threads, watchdog, helper. AS-safe: yes. Blocks: send_order_wait() only. */
#endif
