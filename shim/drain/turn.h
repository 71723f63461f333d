// SPDX-License-Identifier: MIT
/*
 * Whose turn it is to send to a pipe.
 *
 * A program that is executed over another one, or by it, has a queue of its own, while a helper may
 * still be sending what was written before. So a helper that sends to a pipe listens at an abstract
 * socket named after it (unix(7)); the next one connects, and is passed the listening socket when
 * the first has done: the kernel's backlog keeps the order. One that dies frees the name. While a
 * helper waits it holds a second name, so that a program can see that there is one.
 *
 * Async-signal-safe, system calls only. What cannot be known (no sockets, another network
 * namespace, a name taken by another user) counts as free.
 */
#ifndef PIPESHIM_DRAIN_TURN_H
#define PIPESHIM_DRAIN_TURN_H

#include <stdbool.h>
#include <stdint.h>

/* A helper's place in the line. */
struct turn {
    uint64_t device, inode;
    int socket; /* -1: none, the turn is taken without asking */
    int waits;  /* the name of those who wait; -1: none */
    bool taken;
};

/* True if a helper sends to the pipe. */
bool turn_is_taken(uint64_t device, uint64_t inode);

/* True if a helper waits for its turn. */
bool turn_is_waited_for(uint64_t device, uint64_t inode);

/* Takes a place in the line. */
void turn_join(struct turn *turn, uint64_t device, uint64_t inode);

/* Waits until it is ours. */
void turn_wait(struct turn *turn);

/* True if somebody waits for us to leave. */
bool turn_is_wanted(const struct turn *turn);

/* Passes it to the one that has waited longest, if any. */
void turn_pass(struct turn *turn);

#endif
