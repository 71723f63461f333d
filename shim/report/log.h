// SPDX-License-Identifier: MIT
/*
 * Where records go: a path, the program's stderr or another of its fds, syslog, or systemd's
 * journal.
 *
 * Never waits for a reader nor for a file system, raw system calls, no signal for the program. What
 * is on a disk is written by a process of its own (report/log_writer.h); a pipe, a terminal or a
 * socket by the caller, who does not wait. What cannot be written at once is kept in bounded
 * memory, in order, and what finds no space there is dropped and counted.
 *
 * A target that cannot be opened is left for the program's stderr: log_trouble() says so.
 *
 * All but log_prepare() under the lock of report/.
 */
#ifndef PIPESHIM_REPORT_LOG_H
#define PIPESHIM_REPORT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text_buffer.h"

/* Takes the destination as PIPESHIM_LOG says it (`where` must stay valid): for an fd its identity,
 * for a relative path the working directory. `name_of_executable` is asked when a path needs it,
 * the environment for JOURNAL_STREAM. Once, by whoever begins. */
void log_prepare(const char *where, const char *(*name_of_executable)(void),
                 char *const *environment);

/* How log_record() wants its records. */
enum log_form {
    LOG_LINES,
    LOG_PRIORITIES, /* lines with "<N>" before each (report/journal_record.h) */
    LOG_FIELDS,     /* the fields of report/journal_record.h */
};

/* Of the next record. The first call looks for the journal if that was asked for. */
enum log_form log_form(void);

/* Before log_prepare(): the program changes the descriptors `first` to `last`. If stderr is among
 * them, it is not known what it was: nothing will be written there. Async-signal-safe. */
void log_forget_stderr(unsigned first, unsigned last);

/* True if records go to an open file of the program's, which has a descriptor among these: closing
 * it ends the log. Needs no lock. */
bool log_ends_with(unsigned first, unsigned last);

/* The machine's name, as it is at the first call; valid for ever. */
const char *log_host(void);

/* A forked child: nothing of the parent's is pending or counted. */
void log_begin_in_child(void);

/* Whether the watchdog may borrow the program's open file (report/log_program_fd.h). */
void log_borrows(bool allowed);

/* Takes one record; false: dropped and counted. `own_fd_table`: the caller's fds are not the
 * program's (the watchdog). Keeps errno. */
bool log_record(const char *record, size_t size, bool own_fd_table);

/* The same of a record that is no reason to make a file: it goes out before the next log_record(),
 * or by log_release(). */
bool log_keep(const char *record, size_t size, bool own_fd_table);
/* True while a file has only such records to come. */
bool log_keeps(void);
void log_release(bool own_fd_table);
/* True if it is one file, whichever process writes. */
bool log_is_shared(void);

/* True while something waits to go out, or a writer is at work: log_flush() is to be called. */
bool log_urges(void);

/* Tries again what waits. Cheap when nothing does. On the watchdog, or at the exit. */
void log_flush(bool own_fd_table);

/* True if the target could not be opened, once: `message` says why and what happens now, and
 * records, also those that wait, go to stderr from here on. */
bool log_trouble(struct text_buffer *message);

/* True if the file can be opened and takes nothing (a full disk), until that was told; `message`
 * says so. Records go on to wait for it: they would go to stderr for ever else. */
bool log_refusal(struct text_buffer *message);
/* One line to the program's stderr, which says it. */
void log_refusal_is_told(const char *line, size_t size, bool own_fd_table);

/* At the exit, on any thread: writes what waits and returns when that is done, at `deadline_ns`
 * (CLOCK_MONOTONIC) at the latest if a file system or reader is what it waits for. */
void log_finish(uint64_t deadline_ns);

/* True if records go to a socket: syslog, or an fd that was one at the start. */
bool log_uses_sockets(void);
/* True if records go by the journal's own protocol. */
bool log_uses_journal(void);

/* Records dropped so far in this process. */
uint64_t log_dropped(void);
/* One more was lost before it came here. */
void log_count_lost(void);

/* Runs on: any. AS-safe: yes. Blocks: no, log_finish() as said. */
#endif
