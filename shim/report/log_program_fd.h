// SPDX-License-Identifier: MIT
/*
 * Writing to a file that the program has open: its stderr, or PIPESHIM_LOG=fd:N.
 *
 * No fd is kept. The watchdog's own fd table lacks the program's fds, and must: whoever reads the
 * program's stderr waits for its last writer. It borrows the open file for the time of one write.
 * The program may close fd 2 and open its database as the next fd 2: so the file's identity is
 * taken at the start, and nothing is written to another file.
 */
#ifndef PIPESHIM_REPORT_LOG_PROGRAM_FD_H
#define PIPESHIM_REPORT_LOG_PROGRAM_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct program_fd {
    int fd;
    bool open;        /* it was, at the start */
    struct stat file; /* its identity then */
};

/* Notes what `fd` is now. */
void program_fd_take(struct program_fd *target, int fd);

/* Whether that descriptor, in the caller's fd table, is open for writing. */
bool program_fd_is_writable(const struct program_fd *target);

/* Whether the watchdog may borrow by pidfd_getfd (the default). Where a seccomp filter might kill
 * for that it opens the file anew, which a socket does not allow. */
void program_fd_may_borrow(bool allowed);

/* True if it is a file on a disk: a write may wait for the file system, and is for the log's writer
 * to make. */
bool program_fd_is_on_disk(const struct program_fd *target);

/* The open file in the caller's fd table, if it is still the same: the program's own fd, or a
 * borrowed one (`own_fd_table`), which is the caller's to close. -errno; -EBADF: it is another
 * file now. */
long program_fd_get(const struct program_fd *target, bool own_fd_table);

/* Writes without ever waiting for a reader; to what is not on a disk. Returns the bytes written or
 * -errno; -EAGAIN also while the thread has a SIGPIPE of the program's pending. The program gets no
 * signal for it (no reader, tostop, the largest size of a file). */
long program_fd_write(const struct program_fd *target, const char *data, size_t size,
                      bool own_fd_table);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
