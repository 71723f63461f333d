// SPDX-License-Identifier: MIT
#include "drain/catch_up.h"

#include <time.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/ticks.h"
#include "drain/drain.h"
#include "drain/episode.h"

/* True while the helper's word that the reader is quick can be believed: it says nothing while it
 * waits for one that has stopped. */
static bool reader_is_quick(struct stream *stream, struct channel *channel)
{
    enum { STOPPED_AFTER_TICKS = 8 * TICKS_ABOUT_1_MS };
    if (!atomic_load_explicit(&channel->reader_is_quick, memory_order_relaxed))
        return false;
    uint64_t now = ticks_now();
    uint64_t sent = atomic_load(&channel->sent) + atomic_load(&channel->begun);
    if (sent != atomic_load(&stream->quick_sent)) {
        atomic_store(&stream->quick_sent, sent);
        atomic_store(&stream->quick_seen, now);
    } else if (now - atomic_load(&stream->quick_seen) > STOPPED_AFTER_TICKS) {
        atomic_store(&channel->reader_is_quick, 0);
    }
    return true;
}

static void nap(void)
{
    enum { NAP_NS = 50 * NS_PER_US };
    const struct timespec moment = {0, NAP_NS};
    raw_syscall(SYS_nanosleep, &moment, 0);
}

bool catch_up_wait(struct stream *stream, uint64_t size)
{
    enum { BACKLOG = 128 * 1024, PIPEFUL = 64 * 1024, POLLS = 10 };
    if (!stream || !atomic_load(&stream->running))
        return false;
    struct channel *channel = atomic_load(&stream->channel);
    if (!atomic_load_explicit(&channel->reader_is_quick, memory_order_relaxed))
        return false;
    if (!atomic_load_explicit(&stream->catching_up, memory_order_relaxed)) {
        if (channel_head(channel) - atomic_load(&channel->sent) < BACKLOG)
            return false;
        atomic_store(&stream->catching_up, 1);
    }
    uint64_t polls = POLLS * (1 + size / PIPEFUL);
    for (; polls > 0 && !stream_is_sent(stream) && reader_is_quick(stream, channel); polls--)
        nap();
    if (stream_is_sent(stream))
        episode_check(stream, -1);
    return !drain_is_active();
}

bool catch_up_nap(struct stream *stream)
{
    if (!reader_is_quick(stream, atomic_load(&stream->channel)))
        return false;
    nap();
    return true;
}
