// SPDX-License-Identifier: MIT
#include "drain/drain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/ticks.h"
#include "drain/descriptor.h"
#include "drain/direct.h"
#include "drain/finish.h"
#include "drain/headroom.h"
#include "drain/queue.h"
#include "drain/room.h"
#include "drain/stream.h"
#include "drain/stream_table.h"
#include "drain/survival.h"
#include "drain/totals.h"
#include "drain/turn.h"

bool drain_enabled; /* child: kept, it is off in the children too */
/* child: constant */
struct drain_memory *drain_memory;
static struct drain_options options;

bool drain_wants(int fd)
{
    return drain_enabled && (descriptor_named(fd) || atomic_load(&drain_memory->active) > 0);
}

bool drain_init(const struct drain_options *wanted)
{
    enum { BEHIND_LINGER_NS = 50 * NS_PER_MS, DISMISSED_NS = NS_PER_S };
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
    newer_libc_find();
    drain_memory->ring_size = ring;
    drain_memory->max = options.max;
    drain_memory->page = getauxval(AT_PAGESZ);
    drain_memory->drops_oldest = options.overflow == DRAIN_DROP_OLD;
    drain_memory->exact = !options.behind || options.overflow != DRAIN_BLOCK;
    drain_memory->linger_ns = options.behind ? BEHIND_LINGER_NS : 0;
    drain_memory->dismissed_ns = options.exit_ns > DISMISSED_NS ? options.exit_ns : DISMISSED_NS;
    int tsc = 0;
    if (raw_syscall(SYS_prctl, PR_GET_TSC, &tsc, 0, 0, 0) == 0 && tsc == PR_TSC_SIGSEGV)
        ticks_are_forbidden = true; /* it is inherited */
    drain_enabled = true;
    return true;
}

static void sleep_ns(long ns)
{
    struct timespec moment = {0, ns};
    raw_syscall(SYS_nanosleep, &moment, 0);
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

/* At the bound: wait without the lock and try again. */
enum { WRITE_LATER = DRAIN_PASS - 1 };

/* Queues what is left of the write; where that cannot be, it is made as without the library, unless
 * the policy says that it is dropped rather. The lock is held. */
static ssize_t queue_or_write(struct stream *stream, int fd, const struct iovec *vector, int count,
                              uint64_t written, uint32_t *asked)
{
    uint64_t size = vector_size(vector, count);
    for (;;) {
        enum queue_outcome outcome =
            queue_write(stream, fd, vector, count, &written, options.overflow, asked);
        if (outcome == QUEUE_DONE)
            return (ssize_t)size;
        if (outcome == QUEUE_INTERRUPTED)
            return (ssize_t)written;
        if (outcome == QUEUE_FULL)
            return WRITE_LATER;
        if (atomic_load(&stream->state) == HELPER_NONE && !descriptor_is_free(fd)) {
            sleep_ns(NS_PER_MS);
            continue;
        }
        if (options.overflow == DRAIN_BLOCK || written > 0 || outcome == QUEUE_NOT_POSSIBLE)
            return direct_write_rest(fd, vector, count, written);
        long done = direct_write_now(fd, vector, count);
        if (done == -EAGAIN) {
            totals_drop(size);
            return (ssize_t)size;
        }
        if (done < 0)
            return done == -EPIPE ? done : DRAIN_PASS;
        written = (uint64_t)done;
    }
}

/* Puts the write, `done` bytes of it excepted, where it is in order: the lock is held. Write-behind
 * looks at what the helper writes only now and then: its cache line comes from another core. */
static ssize_t write_in_order(struct stream *stream, int fd, const struct iovec *vector, int count,
                              long done, uint64_t now, uint32_t *asked)
{
    bool direct = done <= 0 && !options.behind && stream_is_sent(stream) &&
                  (atomic_load(&stream->state) != HELPER_NONE || descriptor_is_free(fd));
    direct = direct || (done <= 0 && reader_is_gone(stream, fd, now));
    if (direct) {
        done = direct_write_now(fd, vector, count);
        if (done < 0 && done != -EAGAIN)
            return done == -EPIPE ? done : DRAIN_PASS;
    }
    return queue_or_write(stream, fd, vector, count, done > 0 ? (uint64_t)done : 0, asked);
}

/* A non-blocking descriptor keeps its EAGAIN, also while something is queued before it. */
static ssize_t write_non_blocking(const struct descriptor *descriptor)
{
    return streams_are_sent(descriptor->device, descriptor->inode) ? DRAIN_PASS : -EAGAIN;
}

/* With nothing queued in the whole process no lock is taken: what fits goes out. Returns what
 * drain_write() does, or -EAGAIN if nothing was written and the write is to be queued, or the part
 * of it that was written. */
static ssize_t write_directly(int fd, const struct iovec *vector, int count)
{
    long size = (long)vector_size(vector, count);
    long done = direct_write_now(fd, vector, count);
    if (done == size || done == -EPIPE)
        return done;
    if (done < 0 && done != -EAGAIN)
        return DRAIN_PASS;
    struct descriptor descriptor;
    descriptor_of(fd, ticks_now(), TICKS_ABOUT_1_MS, &descriptor);
    if (descriptor.non_blocking)
        return done > 0 ? done : DRAIN_PASS;
    grow_pipe(fd, &descriptor);
    done = direct_write_while_read(fd, vector, count, done);
    return done < 0 && done != -EAGAIN && done != -EPIPE ? DRAIN_PASS : done;
}

/* The stream that the write belongs to. While our helper sends, a child that has been waited for
 * may have left one that waits: what comes now comes after it, in a stream of its own. */
static struct stream *lock_in_order(int fd, const struct descriptor *descriptor, bool *full)
{
    static _Atomic uint32_t seen[STREAM_LIMIT]; /* child: kept, it is a time */
    struct stream *stream = stream_lock(descriptor->device, descriptor->inode, full);
    uint32_t now = descriptor_children_ended();
    if (!stream ||
        atomic_load_explicit(&seen[stream - drain_memory->streams], memory_order_relaxed) == now)
        return stream;
    bool sends = atomic_load(&stream->state) != HELPER_NONE;
    if (sends && descriptor_turns_are_known() && turn_is_wanted(fd, atomic_load(&stream->ticket)) &&
        stream_seal(stream)) {
        lock_release(&stream->lock);
        stream = stream_lock(descriptor->device, descriptor->inode, full);
    }
    if (stream)
        atomic_store(&seen[stream - drain_memory->streams], now);
    return stream;
}

/* A writer that is faster than the pipe would, once something is queued, never be written directly
 * again, and each byte would be copied twice. So it waits, about a millisecond a write, while the
 * reader takes what is queued quickly: as it would have waited for it without us. True: nothing is
 * queued in the process any more. */
static bool reader_caught_up(const struct descriptor *descriptor)
{
    enum { BACKLOG = 128 * 1024, LOOKS = 10, LOOK_AGAIN_NS = 50 * NS_PER_US };
    struct stream *stream = stream_find(descriptor->device, descriptor->inode);
    if (options.behind || !stream ||
        !atomic_load_explicit(&stream->reader_is_quick, memory_order_relaxed))
        return false;
    if (!atomic_load_explicit(&stream->catching_up, memory_order_relaxed)) {
        if (atomic_load(&stream->head) - atomic_load(&stream->sent) < BACKLOG)
            return false;
        atomic_store(&stream->catching_up, 1);
    }
    for (int i = 0; i < LOOKS && atomic_load(&drain_memory->active) > 0 &&
                    atomic_load_explicit(&stream->reader_is_quick, memory_order_relaxed);
         i++)
        sleep_ns(LOOK_AGAIN_NS);
    return atomic_load(&drain_memory->active) == 0;
}

ssize_t drain_write(int fd, const struct iovec *vector, int count)
{
    uint64_t size = vector_size(vector, count);
    if (size == 0 || count > IOV_MAX)
        return DRAIN_PASS;
    bool direct =
        !options.behind && atomic_load(&drain_memory->active) == 0 && descriptor_named(fd);
    /* A direct write fails by itself on what has become non-blocking: it needs no clock. */
    uint64_t now = direct ? TICKS_LONG_AGO : ticks_now();
    struct descriptor descriptor;
    descriptor_of(fd, now, direct ? UINT64_MAX : TICKS_ABOUT_1_MS, &descriptor);
    if (descriptor.kind == DESCRIPTOR_OTHER)
        return DRAIN_PASS;
    if (!descriptor_named(fd) && streams_are_sent(descriptor.device, descriptor.inode))
        return DRAIN_PASS;
    if (descriptor.non_blocking)
        return write_non_blocking(&descriptor);
    ssize_t done = -EAGAIN;
    direct = direct || (descriptor_named(fd) && reader_caught_up(&descriptor));
    if (direct && descriptor_is_free(fd)) {
        if (count == 1 && descriptor.kind == DESCRIPTOR_PIPE && headroom_begin(fd, size))
            return DRAIN_PASS;
        done = write_directly(fd, vector, count);
        if (done == (ssize_t)size || (done < 0 && done != -EAGAIN))
            return done;
        now = ticks_now();
    }
    if (options.behind && options.grow)
        grow_pipe(fd, &descriptor);
    for (;;) {
        bool full = false;
        uint32_t asked = 0;
        struct stream *stream = lock_in_order(fd, &descriptor, &full);
        if (full)
            fallback_note(DRAIN_TOO_MANY);
        if (!stream)
            return done > 0 ? direct_write_rest(fd, vector, count, (uint64_t)done) : DRAIN_PASS;
        ssize_t result = write_in_order(stream, fd, vector, count, done, now, &asked);
        lock_release(&stream->lock);
        if (result != WRITE_LATER) {
            finish_late_write(result);
            return result;
        }
        if (room_wait_cancellable(stream, asked) == -EINTR)
            return -EINTR;
        now = ticks_now();
        struct descriptor after;
        descriptor_of(fd, now, TICKS_ABOUT_1_MS, &after);
        if (after.inode != descriptor.inode || after.device != descriptor.device)
            return -EBADF; /* another thread closed it */
        if (after.non_blocking)
            return -EAGAIN;
    }
}

/* Waits a while for the streams of the pipe. 0: it may go on; 1: look again; or -EINTR. */
static long wait_for_streams(int fd, const struct descriptor *descriptor, bool interruptible)
{
    for (int i = 0; i < STREAM_LIMIT; i++) {
        struct stream *stream = &drain_memory->streams[i];
        if (!stream_is_of(stream, descriptor->device, descriptor->inode) || stream_is_sent(stream))
            continue;
        survival_look(stream, fd);
        uint32_t asked = room_ask(stream);
        if (stream_is_sent(stream))
            continue;
        long result =
            interruptible ? room_wait_cancellable(stream, asked) : room_wait(stream, asked);
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
    while (atomic_load(&drain_memory->active) == 0 && !descriptor_is_free(fd)) {
        if (!waits)
            return -EAGAIN;
        sleep_ns(NS_PER_MS);
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
    return drain_enabled && finish(options.exit_ns, exits);
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
