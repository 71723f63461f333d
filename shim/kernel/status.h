// SPDX-License-Identifier: MIT
/*
 * Numbers of /proc/PID/status. The one reader of that file: its length has no bound (the line
 * `Groups:` of a user with 65,536 groups is 700 KB, and most of what is asked for stands after
 * it), so it is read as a stream.
 * System calls only: the drainer's helper, which has no libc, reads by it too.
 */
#ifndef PIPESHIM_KERNEL_STATUS_H
#define PIPESHIM_KERNEL_STATUS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    STATUS_LETTER = 0,        /* as a base: `value` is the first letter of the text (State) */
    STATUS_WHOLE = 1,         /* as a base: `value` is a hash of the text (Uid, Groups) */
    STATUS_THIS_PROCESS = -1, /* as a pid: whatever its number is in the namespace of /proc */
};

/* Fields of one line stand side by side. */
struct status_field {
    const char *name; /* as the file has it, without the colon; at most 31 bytes */
    unsigned base;    /* 10, or 16 for the masks of signals and capabilities; or as above */
    unsigned nth;     /* of the line's numbers, from 1; 0: the last (of NSpid: the innermost) */
    bool found;       /* false: no such line, not read to its end, or no number: `value` is 0 */
    uint64_t value;
};

/* Reads the fields of a thread (`tid` 0: of the process; `pid` 0: of the calling thread). Returns
 * true if all were found. Makes no other calls than openat, read and close, each as ld.so makes
 * them. */
bool status_read(int pid, int tid, struct status_field *fields, unsigned count);

/* The same of another file whose lines are "name: number": a fdinfo. */
bool fields_read(const char *path, struct status_field *fields, unsigned count);

/* Runs on: any thread, helper, the tool. AS-safe: yes. Blocks: no. */
#endif
