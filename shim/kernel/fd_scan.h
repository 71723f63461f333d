// SPDX-License-Identifier: MIT
/*
 * What a descriptor of any process refers to, and which processes hold an object: read from the
 * links and modes under /proc/PID/fd, which opens nothing. Needs the right to trace the process
 * (ptrace(2), PTRACE_MODE_READ_FSCREDS), else -EACCES. Async-signal-safe.
 */
#ifndef PIPESHIM_KERNEL_FD_SCAN_H
#define PIPESHIM_KERNEL_FD_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/object_facts.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"

enum { FD_READS = 1, FD_WRITES = 2 };

/* Identifies a pipe, FIFO or socket: inode numbers are unique for pipes and sockets of the machine,
 * for a FIFO only together with its filesystem. */
struct object_key {
    uint64_t inode;  /* 0: not one of them */
    uint64_t device; /* of a FIFO; 0 for pipes and sockets */
};

struct fd_description {
    int fd;
    enum link_kind kind;
    bool fifo; /* a LINK_PATH that is a named pipe */
    struct object_key key;
    unsigned access; /* FD_READS, FD_WRITES: how it was opened */
    char link[OBJECT_NAME_LIMIT];
};

/* True for an object whose other end another process may hold. */
static inline bool fd_is_channel(const struct fd_description *fd)
{
    return fd->kind == LINK_PIPE || fd->kind == LINK_SOCKET || fd->fifo;
}

static inline bool object_key_equal(struct object_key a, struct object_key b)
{
    return a.inode == b.inode && a.device == b.device;
}

/* 0 or -errno (-ENOENT: no such descriptor or process, -EACCES: may not be read). */
long fd_describe(int pid, int fd, struct fd_description *description);

/* The first descriptor of a process that refers to the object and was opened for one of `access`;
 * -ENOENT: none, or no such process, -EACCES: they may not be read; another -errno: not all were.
 * Cheaper than to look at all of them, where most are something else. */
long fd_find(int pid, struct object_key key, unsigned access);

/* The descriptors of one process, one after the other. */
struct fd_iterator {
    struct directory directory; /* its `error`: some were left out, with -EACCES as a rule all */
    struct fd_description description;
};
long fd_iterate(struct fd_iterator *iterator, int pid); /* 0 or -errno; close only after 0 */
bool fd_next(struct fd_iterator *iterator);
void fd_iterate_end(struct fd_iterator *iterator);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
