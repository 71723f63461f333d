// SPDX-License-Identifier: MIT
/*
 * The log's writer: a short-lived process that moves the queue (report/log_queue.h) to a file.
 *
 * A file system may hang: a dead NFS server, a frozen disk. Whoever writes then sleeps where no
 * signal reaches, and with a thread of the program, or one that is a member of its process, the
 * program's own exit would wait. So what may wait for a file system is done by a process of its
 * own, which shares the memory (nothing is copied, nothing doubled) but is no member: made where
 * there is something to write, gone when it is written, at most one at a time. If it hangs, records
 * queue up in bounded memory, and the program ends when it wants to; what the writer has in hand it
 * still writes when the file system is back.
 *
 * It is a child without an exit signal, which no wait() of the program sees, and has the rights of
 * the thread that made it. Before the program changes its own it is stopped: log_writer_stop().
 */
#ifndef PIPESHIM_REPORT_LOG_WRITER_H
#define PIPESHIM_REPORT_LOG_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "report/log_program_fd.h"

/* Sees to it that a writer is at work on the queue. `fd`: NULL: for the file at this process's log
 * path; else for the program's file `fd`. False: no process can be made here. Under the lock of
 * report/. */
bool log_writer_start(const struct program_fd *fd, bool own_fd_table);

/* Has a writer of its own write one line to the program's file `fd`, and nothing of the queue.
 * False: one is at work, it is to be tried again. Under the lock of report/. */
bool log_writer_say(const struct program_fd *fd, const char *line, size_t size, bool own_fd_table);

/* True if the queue was written, or cannot be, before `deadline_ns` (CLOCK_MONOTONIC). A writer
 * that gets no CPU is no hung file system: it is waited for longer, two seconds. */
bool log_writer_wait(uint64_t deadline_ns);

/* True from its start until it has been waited for. */
bool log_writer_is_out(void);

/* Why the file could not be opened by a writer that is gone: an error of report/log_path.h, 0: it
 * could. */
long log_writer_error(void);

/* Why a writer that is gone could write nothing to a file that it had opened: -errno; 0 once
 * anything was written in this process, and while a FIFO only waits for its reader. */
long log_writer_refusal(void);

/* Ends the writer: waits for it as above, 50 ms, then kills it. For before a change of rights, and
 * for where it would be in the way. */
void log_writer_stop(void);

/* Takes what is left of a writer that is gone, so that it is no zombie for long. Cheap. */
void log_writer_reap(void);

/* A forked child: the writer is the parent's. */
void log_writer_begin_in_child(void);

/* One round of the writer's work on the caller's own thread, which may wait for the file system:
 * where no process can be made. True if the queue is empty then. */
bool log_writer_write_here(const struct program_fd *fd, bool own_fd_table);

/* Runs on: any but the writer itself. AS-safe: yes. Blocks: as said. */
#endif
