// SPDX-License-Identifier: MIT
/*
 * The descriptors that a readiness wait (poll, select, epoll_wait and their kin) waits for, while a
 * thread is asleep in it: what tells an event loop's wait from a synchronous client's, and what a
 * wait inside a callback really waits for. For the watchdog thread.
 */
#ifndef PIPESHIM_WATCH_READINESS_SET_H
#define PIPESHIM_WATCH_READINESS_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/incident.h"
#include "facts/object_facts.h"
#include "kernel/memory_reader.h"
#include "kernel/task.h"

enum { READINESS_SET_LIMIT = 32 }; /* descriptors that are looked at; a set may hold more */

struct readiness_set {
    bool known;
    int epoll_fd; /* -1: poll or select */
    unsigned count;
    struct {
        int fd;
        bool reads, writes; /* which readiness is waited for */
    } entry[READINESS_SET_LIMIT];
};

/* Reads the set of `call` (status TASK_IN_CALL): from the program's memory, or an epoll
 * descriptor's fdinfo. `known` is false for any other call and where it cannot be read. */
struct readiness_set readiness_set_read(const struct memory_reader *memory,
                                        const struct task_call *call);

/* A descriptor of the set by which another thread or a signal handler of the same process wakes the
 * thread (an eventfd, timerfd, signalfd, inotify, or a pipe or socketpair of which the process
 * holds both ends), or a listening socket: every event loop has one, a client's wait for its answer
 * has none. -1: none; nor is a pipe that is waited for alone, make's jobserver. */
int readiness_set_wake_up(const struct readiness_set *set);

/* True if nothing is waited for but connections to accept and the process's own pipes: a server
 * that serves one connection after the other in this thread (gunicorn's sync worker, Python's
 * HTTPServer) keeps nobody waiting whom it could serve meanwhile. A loop has its connections in the
 * set as well, or a wake-up that is no pipe. */
bool readiness_set_only_accepts(const struct readiness_set *set);

/* What a wait inside a callback waits for: sets the incident's class, fd and object. */
void readiness_set_explain(const struct readiness_set *set, unsigned access,
                           struct incident *incident);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
