// SPDX-License-Identifier: MIT
#include "drain/drain.h"

#include <errno.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/newer_libc.h"
#include "base/raw_syscall.h"
#include "base/ticks.h"
#include "drain/descriptor.h"
#include "drain/episode.h"
#include "drain/finish.h"
#include "drain/headroom.h"
#include "drain/helper_process.h"
#include "drain/mapping_changes.h"
#include "drain/readable.h"
#include "drain/settings.h"
#include "drain/space.h"
#include "drain/stream_table.h"
#include "drain/totals.h"

bool drain_enabled;                  /* child: kept, on or off in the children too */
struct drain_options drain_settings; /* child: constant */

bool drain_wants(int fd)
{
    return drain_enabled && (descriptor_named(fd) || drain_is_active());
}

static struct drain_state *make_state(void)
{
    size_t size = sizeof(struct drain_state) + STREAM_LIMIT * sizeof(struct stream);
    long made =
        raw_syscall(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made < 0 && made > -4096)
        return NULL;
    if (raw_syscall(SYS_madvise, made, size, MADV_WIPEONFORK) == 0)
        return (struct drain_state *)made;
    raw_syscall(SYS_munmap, made, size);
    return NULL;
}

static void set_limits(void)
{
    enum { WRITE_BEHIND_LINGER_NS = 50 * NS_PER_MS, DISMISSED_NS = NS_PER_S };
    const struct drain_options *wanted = &drain_settings;
    unsigned bits = (unsigned)__builtin_ctz(CHUNK_LEAST);
    while ((wanted->max >> bits) > CHUNKS_OF_BOUND)
        bits++;
    drain_limits = (struct drain_limits){
        .max = wanted->max,
        .page = getauxval(AT_PAGESZ),
        .chunk_bits = bits,
        .chunks = (unsigned)((wanted->max >> bits) + CHUNKS_MORE),
        .drops_oldest = wanted->overflow == DRAIN_DROP_OLD,
        .exact = !wanted->write_behind_mode || wanted->overflow != DRAIN_BLOCK,
        .linger_ns = wanted->write_behind_mode ? WRITE_BEHIND_LINGER_NS : 0,
        .dismissed_ns = wanted->exit_ns > DISMISSED_NS ? wanted->exit_ns : DISMISSED_NS,
    };
}

bool drain_init(const struct drain_options *wanted)
{
    return descriptor_name(wanted->fds) && drain_begin(wanted);
}

bool drain_name_one(int fd, bool on)
{
    return descriptor_name_one(fd, on);
}

bool drain_has_queued(uint64_t device, uint64_t inode)
{
    return drain_enabled && !streams_are_sent(device, inode);
}

bool drain_begin(const struct drain_options *wanted)
{
    drain_settings = *wanted;
    struct drain_state *state = make_state();
    if (!state)
        return false;
    drain_state = state;
    newer_libc_find();
    readable_prepare();
    set_limits();
    int tsc = 0;
    if (raw_syscall(SYS_prctl, PR_GET_TSC, &tsc, 0, 0, 0) == 0 && tsc == PR_TSC_SIGSEGV)
        ticks_are_forbidden = true; /* it is inherited */
    drain_enabled = true;
    return true;
}

void drain_name(const char *fds)
{
    descriptor_name(fds);
}

static void sleep_a_moment(void)
{
    struct timespec moment = {0, NS_PER_MS};
    raw_syscall(SYS_nanosleep, &moment, 0);
}

/* Waits a while for the streams of the pipe. 0: it may go on; 1: look again; or -EINTR. */
static long wait_for_streams(int fd, const struct descriptor *descriptor, bool interruptible)
{
    uint32_t known = atomic_load(&drain_state->known);
    for (uint32_t i = 0; i < known; i++) {
        struct stream *stream = &drain_state->streams[i];
        if (!stream_is_of(stream, descriptor->device, descriptor->inode) || stream_is_sent(stream))
            continue;
        struct channel *channel = atomic_load(&stream->channel);
        episode_check(stream, fd);
        uint32_t asked = space_request(channel);
        if (stream_is_sent(stream))
            continue;
        long result =
            interruptible ? space_wait_cancellable(channel, asked) : space_wait(channel, asked);
        return result == -EINTR && interruptible ? -EINTR : 1;
    }
    return 0;
}

int drain_flush(int fd, enum drain_wait wait)
{
    struct descriptor descriptor;
    descriptor_of(fd, ticks_now(), TICKS_ABOUT_1_MS, &descriptor);
    bool waits = wait != DRAIN_DONT_WAIT && !descriptor.non_blocking;
    if (descriptor.kind == DESCRIPTOR_OTHER)
        return 0;
    while (!drain_is_active() && !descriptor_is_free(&descriptor)) {
        if (!waits)
            return -EAGAIN;
        sleep_a_moment();
    }
    if (!waits)
        return streams_are_sent(descriptor.device, descriptor.inode) ? 0 : -EAGAIN;
    long result;
    do {
        result = wait_for_streams(fd, &descriptor, wait == DRAIN_WAIT_LIKE_WRITE);
    } while (result > 0);
    return (int)result;
}

bool drain_finish(bool exits)
{
    return drain_enabled && finish(drain_settings.exit_ns, exits);
}

void drain_stop(void)
{
    drain_enabled = false;
    for (unsigned fd = 0; fd < HEADROOM_FDS; fd++)
        headroom_forget(fd);
}

void drain_begin_in_child(void)
{
    if (!drain_enabled)
        return;
    descriptor_begin_in_child();
    headroom_begin_in_child();
    fallback_begin_in_child();
    totals_begin_in_child();
    helpers_begin_in_child();
    finish_begin_in_child();
    mapping_changes_begin_in_child();
}

struct drain_totals drain_totals(void)
{
    struct drain_totals totals = {
        .episodes = atomic_load(&queue_totals.episodes),
        .dropped_bytes = atomic_load(&queue_totals.dropped_bytes),
        .dropped_writes = atomic_load(&queue_totals.dropped_writes),
        .spooled_bytes = atomic_load(&queue_totals.spooled_bytes),
    };
    if (drain_enabled)
        finish_add_totals(&totals);
    totals.peak_bytes = atomic_load(&queue_totals.peak_bytes);
    return totals;
}
