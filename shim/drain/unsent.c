// SPDX-License-Identifier: MIT
#include "drain/unsent.h"

#include "drain/chunks.h"

/* The records between, as long as they make sense. */
static bool count(struct stream *stream, struct unsent *unsent)
{
    uint64_t at = unsent->from;
    while (at < unsent->to) {
        struct record record = chunks_record(stream, at);
        if (record.size > RECORD_LIMIT)
            return false;
        unsent->bytes += record.size;
        unsent->writes += !(record.flags & RECORD_CONTINUED);
        at += record_space(record.size);
    }
    return at == unsent->to;
}

bool unsent_measure(struct stream *stream, struct unsent *unsent)
{
    struct channel *channel = atomic_load(&stream->channel);
    uint64_t sent = atomic_load(&channel->sent);
    uint64_t tail = atomic_load(&channel->tail);
    uint32_t begun = atomic_load(&channel->begun);
    uint32_t in_flight = atomic_load(&channel->in_flight);
    *unsent = (struct unsent){.from = sent, .to = channel_head(channel), .begun = begun};
    if (drain_limits.drops_oldest) { /* what was taken may have been written over */
        unsent->from = tail;
        unsent->begun = 0;
        unsent->taken = in_flight > begun ? in_flight - begun : 0;
    }
    /* A record at a time is counted down to here: more than the memory there is, is nonsense. */
    if (unsent->to - unsent->from > (uint64_t)drain_limits.chunks << drain_limits.chunk_bits)
        return false;
    bool whole = count(stream, unsent);
    if (unsent->begun > unsent->bytes)
        return false;
    unsent->bytes += unsent->taken;
    unsent->bytes -= unsent->begun;
    unsent->writes += unsent->taken > 0;
    return whole && sent == atomic_load(&channel->sent) && tail == atomic_load(&channel->tail) &&
           begun == atomic_load(&channel->begun);
}
