// SPDX-License-Identifier: MIT
/*
 * Where records go: a path, the program's stderr or another of its fds, or syslog.
 *
 * Never blocks, one write a record, raw system calls. A record that cannot be written at once is
 * dropped and counted; what a pipe took only a part of is completed, before anything else is sent,
 * from bounded memory.
 *
 * No fd is kept. The watchdog's own fd table lacks the program's fds, and must: whoever reads the
 * program's stderr waits for its last writer. It borrows the open file for the time of one write.
 * The program may close fd 2 and open its database as the next fd 2: so the file's identity is
 * taken at the start, and nothing is written to another file.
 */
#ifndef PIPESHIM_REPORT_LOG_H
#define PIPESHIM_REPORT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Takes the destination as PIPESHIM_LOG says it (`where` must stay valid) and, for an fd, its
 * identity. `name_of_executable` is asked when a path needs it. For the constructor. */
void log_prepare(const char *where, const char *(*name_of_executable)(void));

/* The machine's name, as it is at the first call; valid for ever. */
const char *log_host(void);

/* A forked child: nothing of the parent's is pending or counted. Async-signal-safe. */
void log_begin_in_child(void);

/* Whether the watchdog may borrow the program's open file by pidfd_getfd (the default). Where a
 * seccomp filter might kill for that, it opens the file anew, which a socket does not allow. */
void log_borrows(bool allowed);

/* Writes one record; false: dropped and counted. `own_fd_table`: the caller's fds are not the
 * program's (the watchdog). One caller at a time. Async-signal-safe, keeps errno, raises no SIGPIPE
 * in the program. */
bool log_record(const char *record, size_t size, bool own_fd_table);

/* True if records go to a socket: syslog, or an fd that was one at the start. */
bool log_uses_sockets(void);

/* Records dropped so far in this process. */
uint64_t log_dropped(void);

#endif
