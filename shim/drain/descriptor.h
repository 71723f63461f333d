// SPDX-License-Identifier: MIT
/*
 * Which descriptors PIPESHIM_DRAIN names, and what they are.
 *
 * A queued write must know its pipe, and a system call to ask would cost more than all the rest of
 * it. So the answer is kept until a door (doors/descriptor_doors.c: close, dup2, fclose, …) says
 * that the descriptor changes; a change in progress, or by a vfork child, whose table is not ours
 * though its memory is, keeps it from being remembered.
 */
#ifndef PIPESHIM_DRAIN_DESCRIPTOR_H
#define PIPESHIM_DRAIN_DESCRIPTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum descriptor_kind {
    DESCRIPTOR_OTHER,  /* nothing to drain */
    DESCRIPTOR_PIPE,   /* or FIFO */
    DESCRIPTOR_SOCKET, /* a stream socket of AF_UNIX */
};

/* What a call has to know of its descriptor: asked once, by descriptor_of(), and carried along. */
struct descriptor {
    int fd;
    uint32_t kind; /* enum descriptor_kind */
    uint64_t device, inode;
    bool non_blocking;
    bool named;        /* PIPESHIM_DRAIN names it */
    bool free;         /* see descriptor_is_free(); false also if it is not known yet */
    uint32_t children; /* descriptor_children_ended() then */
};

/* Understands PIPESHIM_DRAIN; false: it names nothing. Before threads, or on the watchdog: then for
 * the writes that come. */
bool descriptor_name(const char *text);

/* See drain_name_one(). */
bool descriptor_name_one(int fd, bool on);

enum { DESCRIPTOR_LIMIT = 1024 }; /* higher numbers are asked for each time */
extern bool descriptors_named[DESCRIPTOR_LIMIT] __attribute__((visibility("hidden")));
extern bool descriptors_all_named __attribute__((visibility("hidden")));

/* True if PIPESHIM_DRAIN names `fd`. */
static inline bool descriptor_named(int fd)
{
    return descriptors_all_named || (fd >= 0 && fd < DESCRIPTOR_LIMIT && descriptors_named[fd]);
}

/* What is known of `fd`, into `found` (a result would be copied); `now` is ticks_now(). What is
 * remembered is asked anew after `age` ticks: the description is shared, and another process may
 * make it non-blocking. Async-signal-safe. */
void descriptor_of(int fd, uint64_t now, uint64_t age, struct descriptor *found);

/* The same without a question; false: it would take one. */
bool descriptor_recall(int fd, uint64_t now, uint64_t age, struct descriptor *found);

/* True if no helper (of an image before an exec, or of a child) sends to what it is, so that a
 * direct write is in order. Asked of the kernel once for each descriptor, and after each child that
 * was waited for; while one sends, each time. */
bool descriptor_ask_free(struct descriptor *descriptor);
static inline bool descriptor_is_free(struct descriptor *descriptor)
{
    return descriptor->free || descriptor_ask_free(descriptor);
}

/* False under a seccomp filter, which may kill for a lock: every turn counts as free. */
bool descriptor_send_order_is_known(void);

/* A child was waited for: what it wrote comes before what we write now. */
void descriptor_child_ended(void);

/* How many were, at least 1; for the comparison with what it was. */
extern _Atomic uint32_t descriptors_children_ended __attribute__((visibility("hidden")));
static inline uint32_t descriptor_children_ended(void)
{
    return atomic_load_explicit(&descriptors_children_ended, memory_order_relaxed);
}

/* `fd`, or all from `first` to `last`, is about to change, and has changed. Async-signal-safe. */
void descriptor_changes(unsigned first, unsigned last);
void descriptor_changed(unsigned first, unsigned last);

/* Never to be remembered again: it changes in a way that tells no end. */
void descriptor_forget(unsigned first, unsigned last);

/* Before an exec or _exit: if it is a vfork child that leaves, what it changed concerns its parent
 * no more. */
void descriptor_child_leaves(void);

/* A forked child: a thread that it does not have may have been inside here. */
void descriptor_begin_in_child(void);

/* Runs on: program threads, signal handlers; descriptor_name(): constructor. AS-safe: yes. Blocks:
 * no. */
#endif
