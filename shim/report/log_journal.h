// SPDX-License-Identifier: MIT
/*
 * Records for systemd's journal, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one
 * datagram a record, or, if the kernel does not take one so large, a sealed memory file whose
 * descriptor is sent in its place. Never waits: a journal that is slow or gone takes nothing.
 */
#ifndef PIPESHIM_REPORT_LOG_JOURNAL_H
#define PIPESHIM_REPORT_LOG_JOURNAL_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"

/* 0 if a journal listens at `socket`, else -errno: -ENOENT, -ECONNREFUSED: there is none. */
long log_journal_look(const char *socket);

/* Sends one record of at most two pieces. 0, or -errno; -EAGAIN: it is to be sent again. */
long log_journal_send(const char *socket, const struct iovec *pieces, int count);

/* True of an error that passes: the journal is slow, or starts anew. */
bool log_journal_is_away(long error);

/* Whether JOURNAL_STREAM among `variables` names `file`: what a service writes there goes to the
 * journal, line by line, with a priority for each (systemd.exec(5), sd-daemon(3)). */
bool log_journal_is_stream(char *const *variables, const struct stat *file);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
