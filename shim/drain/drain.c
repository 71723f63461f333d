// SPDX-License-Identifier: MIT
#include "drain/drain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/ticks.h"
#include "drain/descriptor.h"
#include "drain/direct.h"
#include "drain/finish.h"
#include "drain/queue.h"
#include "drain/stream.h"

bool drain_enabled;
struct drain_memory *drain_memory;
static struct drain_options options;

bool drain_wants(int fd)
{
    return drain_enabled && descriptor_named(fd);
}

bool drain_init(const struct drain_options *wanted)
{
    enum { BEHIND_LINGER_NS = 50 * NS_PER_MS };
    options = *wanted;
    if (!descriptor_name(options.fds))
        return false;
    uint64_t ring = 4 * (uint64_t)RECORD_LIMIT;
    while (ring < options.max)
        ring *= 2;
    long made = raw_syscall(SYS_mmap, 0, HEADER_ROOM + ring * STREAM_LIMIT, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made < 0 && made > -4096)
        return false;
    drain_memory = (struct drain_memory *)made;
    drain_memory->ring_size = ring;
    drain_memory->max = options.max;
    drain_memory->page = getauxval(AT_PAGESZ);
    drain_memory->drops_oldest = options.overflow == DRAIN_DROP_OLD;
    drain_memory->linger_ns = options.behind ? BEHIND_LINGER_NS : 0;
    drain_enabled = true;
    return true;
}

/* While something is queued nobody would notice that the reader has gone until the helper does: the
 * program has to get its EPIPE and SIGPIPE from this write. Asked not more often than a reader can
 * go and the program hear of it by another way. */
static bool reader_is_gone(struct stream *stream, int fd, uint64_t now)
{
    if (now - stream->reader_seen < TICKS_ABOUT_20_US)
        return false;
    stream->reader_seen = now;
    return direct_reader_is_gone(fd);
}

static void grow_pipe(int fd, const struct descriptor *descriptor)
{
    if (options.grow && descriptor->kind == DESCRIPTOR_PIPE &&
        raw_syscall(SYS_fcntl, fd, F_GETPIPE_SZ) < (long)options.grow)
        raw_syscall(SYS_fcntl, fd, F_SETPIPE_SZ, options.grow);
}

/* Puts the write, `done` bytes of it excepted, where it is in order: the lock is held. Write-behind
 * looks at what the helper writes only now and then: its cache line comes from another core. */
static ssize_t write_in_order(struct stream *stream, int fd, const struct iovec *vector, int count,
                              long done, uint64_t now)
{
    bool direct =
        done <= 0 && (options.behind ? reader_is_gone(stream, fd, now)
                                     : stream_is_sent(stream) || reader_is_gone(stream, fd, now));
    if (direct) {
        done = direct_write_now(fd, vector, count);
        if (done < 0 && done != -EAGAIN)
            return done == -EPIPE ? done : DRAIN_PASS;
    }
    return queue_write(stream, fd, vector, count, done > 0 ? (uint64_t)done : 0, options.overflow);
}

/* A non-blocking descriptor keeps its EAGAIN, also while something is queued before it. */
static ssize_t write_non_blocking(const struct descriptor *descriptor)
{
    struct stream *stream = stream_find(descriptor->device, descriptor->inode);
    return stream && !stream_is_sent(stream) ? -EAGAIN : DRAIN_PASS;
}

/* With nothing queued in the whole process no lock is taken: what fits goes out. */
static ssize_t write_directly(int fd, const struct iovec *vector, int count,
                              const struct descriptor *descriptor)
{
    long size = (long)vector_size(vector, count);
    long done = direct_write_now(fd, vector, count);
    if (done == size || (done < 0 && done != -EAGAIN))
        return done;
    grow_pipe(fd, descriptor);
    return direct_write_while_read(fd, vector, count, done);
}

ssize_t drain_write(int fd, const struct iovec *vector, int count)
{
    uint64_t size = vector_size(vector, count);
    if (size == 0 || count > IOV_MAX)
        return DRAIN_PASS;
    uint64_t now = ticks_now();
    struct descriptor descriptor = descriptor_of(fd, now);
    if (descriptor.kind == DESCRIPTOR_OTHER)
        return DRAIN_PASS;
    if (descriptor.non_blocking)
        return write_non_blocking(&descriptor);
    long done = -EAGAIN;
    if (!options.behind && atomic_load(&drain_memory->active) == 0) {
        done = write_directly(fd, vector, count, &descriptor);
        if (done == (long)size || done == -EPIPE)
            return done;
        if (done < 0 && done != -EAGAIN)
            return DRAIN_PASS;
    }
    bool full = false;
    struct stream *stream = stream_lock(descriptor.device, descriptor.inode, &full);
    if (full)
        queue_note_fallback(DRAIN_TOO_MANY);
    if (!stream)
        return done > 0 ? direct_write_rest(fd, vector, count, (uint64_t)done) : DRAIN_PASS;
    if (options.behind && options.grow)
        grow_pipe(fd, &descriptor);
    ssize_t result = write_in_order(stream, fd, vector, count, done, now);
    lock_release(&stream->lock);
    finish_late_write(result);
    return result;
}

bool drain_flush(int fd, bool waits)
{
    if (atomic_load(&drain_memory->active) == 0)
        return true;
    struct descriptor descriptor = descriptor_of(fd, ticks_now());
    if (descriptor.kind == DESCRIPTOR_OTHER)
        return true;
    struct stream *stream = stream_find(descriptor.device, descriptor.inode);
    while (stream && atomic_load(&stream->inode) == descriptor.inode && !stream_is_sent(stream)) {
        struct timespec moment = {0, NS_PER_MS};
        if (!waits || descriptor.non_blocking)
            return false;
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
    return true;
}

bool drain_finish(bool exits)
{
    return drain_enabled && finish(options.exit_ns, exits);
}

void drain_begin_in_child(void)
{
    if (!drain_enabled)
        return;
    descriptor_begin_in_child();
    finish_begin_in_child();
}

struct drain_totals drain_totals(void)
{
    struct drain_totals totals = {
        .episodes = atomic_load(&queue_totals.episodes),
        .peak_bytes = atomic_load(&queue_totals.peak_bytes),
        .dropped_bytes = atomic_load(&queue_totals.dropped_bytes),
        .dropped_writes = atomic_load(&queue_totals.dropped_writes),
    };
    for (int i = 0; i < STREAM_LIMIT; i++)
        totals.queued_bytes += atomic_load(&queue_totals.queued_bytes[i]);
    if (drain_enabled)
        finish_add_totals(&totals);
    return totals;
}
