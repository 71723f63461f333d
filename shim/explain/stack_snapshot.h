// SPDX-License-Identifier: MIT
/*
 * A copy of a blocked thread's stack, to be unwound at leisure: the thread may go on meanwhile,
 * return from the frames, and even unmap its stack.
 */
#ifndef PIPESHIM_EXPLAIN_STACK_SNAPSHOT_H
#define PIPESHIM_EXPLAIN_STACK_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facts/stack.h"
#include "kernel/memory_reader.h"

enum {
    SNAPSHOT_LIMIT = 64 * 1024, /* what lies deeper is read when the unwinder comes to it */
    SNAPSHOT_LINE = 512,        /* divides the page size: a line can be read or not, as a whole */
    SNAPSHOT_LINES = 64,
};

/* About 100 KiB, owned by the caller; not for a stack. One thread at a time. */
struct stack_snapshot {
    struct saved_registers registers;
    enum registers_known known;
    bool pc_returns; /* pc is where the innermost call returns to, not what is executed */
    bool has_r9;     /* x86_64, a thread that ran: this one is known, too */
    uint64_t r9;     /* where V8's interpreter keeps which bytecode it is at */
    uintptr_t start; /* the stack's bytes from here, */
    size_t size;     /* so many, */
    unsigned char bytes[SNAPSHOT_LIMIT] __attribute__((aligned(16)));
    /* and what else was read of the memory (unwind tables): one system call costs as much for 512
     * bytes as for 8. Emptied before each unwind, so that no table outlives its object. */
    unsigned reads; /* and what is counted as such */
    uintptr_t line_address[SNAPSHOT_LINES];
    unsigned char line[SNAPSHOT_LINES][SNAPSHOT_LINE] __attribute__((aligned(16)));
};

/*
 * Copies the stack from the stack pointer upwards with one read, as much as is mapped. False if
 * there is nothing at the stack pointer. Whether the thread stood still meanwhile is for the caller
 * to check. Async-signal-safe, never faults, about 2 us for all 64 KiB.
 */
bool stack_snapshot_take(const struct memory_reader *reader,
                         const struct saved_registers *registers, struct stack_snapshot *snapshot);

/* The same of a thread at the first instruction of a function, before that has changed its stack,
 * of which only sp and the frame pointer are known (and the link register, where there is one): the
 * innermost frame is the caller's. */
bool stack_snapshot_take_at_entry(const struct memory_reader *reader,
                                  const struct saved_registers *registers,
                                  struct stack_snapshot *snapshot);

/* The same when only these two are known: what /proc/PID/task/TID/syscall says of a thread that
 * waits in a system call. */
bool stack_snapshot_take_pc_sp(const struct memory_reader *reader, uint64_t pc, uint64_t sp,
                               struct stack_snapshot *snapshot);

/* Forgets what was read besides the stack, and starts to count the reads anew. */
void stack_snapshot_begin(struct stack_snapshot *snapshot);

/* Counts work that is bounded as reads are: some microseconds for `amount` 1. False if there was
 * too much. */
bool stack_snapshot_spend(struct stack_snapshot *snapshot, unsigned amount);

/* Reads from the copy, else from memory. False if it cannot be read, or too much was read already
 * (garbage registers can send an unwinder anywhere). */
bool stack_snapshot_read(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                         uintptr_t address, void *to, size_t size);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
