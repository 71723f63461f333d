// SPDX-License-Identifier: MIT
/*
 * From the first write that is queued for a pipe until its helper has left: one helper, and if that
 * is killed (the OOM killer, an operator) another one, which goes on with what it left.
 *
 * What a killed helper had taken but not finished is sent again. If it waited in a system call for
 * the reader, as it mostly does, nothing arrives twice; if it was killed in the very moment in
 * which a write returned, that batch does, because nobody else knows that it was made.
 */
#ifndef PIPESHIM_DRAIN_EPISODE_H
#define PIPESHIM_DRAIN_EPISODE_H

#include "drain/stream.h"

/* The stream's lock is held. True: there is a helper, nobody has killed it, and it has not left. */
static inline bool episode_goes_on(struct stream *stream)
{
    struct channel *channel = atomic_load_explicit(&stream->channel, memory_order_relaxed);
    return atomic_load(&stream->running) && !channel_has_left(channel) &&
           !helper_was_killed(channel);
}

/* The stream's lock is held. True: there is a helper that lives, or was when it was looked at; it
 * writes to `fd`. False: the kernel refuses one. */
bool episode_go_on(struct stream *stream, int fd);

/* The lock is held: sees whether the helper has left, or was killed; lets another go on if there is
 * something to send, which writes to `fd` if that still leads to the stream's pipe. Costs a few
 * loads while it lives. */
void episode_check_locked(struct stream *stream, int fd);

/* The same where the lock may not be free: then nothing is done. */
void episode_check(struct stream *stream, int fd);

/* A descriptor of this process that leads to the stream's pipe: the one that began the episode, if
 * it still does, else the lowest; -1: there is none. Up to a thousand system calls. */
int episode_descriptor(struct stream *stream);

/* The lock is held, and the process, or its image, ends. True: a helper that nobody has killed goes
 * on with what is left, or nothing is; also in place of one that was killed and has not ended yet:
 * after the process there is nobody to notice. False: there is none, and what is left is lost. */
bool episode_leave(struct stream *stream);

/* The lock is held, and the helper gone: what was queued is elsewhere, and the episode is over. */
void episode_end_taken_back(struct stream *stream);

/* Runs on: program threads, watchdog. AS-safe: yes. Blocks: about 0.2 ms. */
#endif
