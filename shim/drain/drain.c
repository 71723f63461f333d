// SPDX-License-Identifier: MIT
#include "drain/drain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "doors/slot.h"
#include "drain/stream.h"
#include "watch/life.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { NAMED_FDS = 1024, HEADER_ROOM = 65536, POLL_NS = NS_PER_MS };

bool drain_enabled;
struct drain_memory *drain_memory;
static struct drain_options options;
static bool named[NAMED_FDS];
static bool named_all;

/* Of this process; a forked child begins anew. */
static struct {
    _Atomic uint64_t episodes, queued_bytes, peak_bytes, dropped_bytes, dropped_writes;
    uint64_t lost_before; /* drain_memory->lost_bytes when it began */
    uint64_t handed_over_bytes, handed_over_writes;
} totals;
static _Atomic unsigned fallbacks;
static uint64_t finish_deadline; /* 0: the process goes on */

static bool parse_fds(const char *text)
{
    if (!strcmp(text, "off") || !*text)
        return false;
    named_all = !strcmp(text, "all");
    named[1] = !strcmp(text, "stdout") || !strcmp(text, "stdio");
    named[2] = !strcmp(text, "stderr") || !strcmp(text, "stdio");
    if (named_all || named[1] || named[2])
        return true;
    for (unsigned fd = 0; *text; text++) {
        if (*text >= '0' && *text <= '9' && fd < NAMED_FDS)
            fd = fd * 10 + (unsigned)(*text - '0');
        if ((text[1] == ',' || text[1] == 0) && fd < NAMED_FDS)
            named[fd] = true;
        if (*text == ',')
            fd = 0;
    }
    return true;
}

bool drain_wants(int fd)
{
    return drain_enabled && (named_all || (fd >= 0 && fd < NAMED_FDS && named[fd]));
}

bool drain_init(const struct drain_options *wanted)
{
    enum { BEHIND_LINGER_NS = 50 * NS_PER_MS };
    options = *wanted;
    if (!parse_fds(options.fds))
        return false;
    uint64_t ring = 4 * (uint64_t)RECORD_LIMIT;
    /* Twice: the helper gives pages back that lie up to half a ring behind its place; they must not
     * be in use again. */
    while (ring < 2 * options.max)
        ring *= 2;
    long made = raw_syscall(SYS_mmap, 0, HEADER_ROOM + ring * STREAM_LIMIT, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made < 0 && made > -4096)
        return false;
    drain_memory = (struct drain_memory *)made;
    drain_memory->ring_size = ring;
    drain_memory->max = options.max;
    drain_memory->keep_pages = options.overflow == DRAIN_DROP_OLD;
    drain_memory->linger_ns = options.behind ? BEHIND_LINGER_NS : 0;
    drain_enabled = true;
    return true;
}

static void sleep_ns(long ns)
{
    struct timespec moment = {0, ns};
    raw_syscall(SYS_nanosleep, &moment, 0);
}

/* False: the calling thread holds it already, further down its stack. */
static bool lock_take(_Atomic uint32_t *lock)
{
    /* The slot of a forked child's thread reads zero. */
    int known = thread_slot->tid;
    uint32_t self = (uint32_t)(known > 0 ? known : raw_syscall(SYS_gettid));
    for (unsigned tries = 0;; tries++) {
        uint32_t owner = 0;
        if (atomic_compare_exchange_strong(lock, &owner, self))
            return true;
        if (owner == self)
            return false;
        if (tries < 100) {
            raw_syscall(SYS_sched_yield);
            continue;
        }
        sleep_ns(NS_PER_MS / 10);
        /* A process that was killed inside. */
        if (tries % 256 == 255 && raw_syscall(SYS_tkill, owner, 0) == -ESRCH &&
            atomic_compare_exchange_strong(lock, &owner, self))
            return true;
    }
}

static void lock_release(_Atomic uint32_t *lock)
{
    atomic_store(lock, 0);
}

static struct stream *find_stream(uint64_t device, uint64_t inode)
{
    for (uint64_t i = 0; i < STREAM_LIMIT; i++) {
        struct stream *stream = &drain_memory->streams[(inode + i) % STREAM_LIMIT];
        if (atomic_load(&stream->inode) == inode && atomic_load(&stream->device) == device)
            return stream;
    }
    return NULL;
}

/* The stream of the pipe, made if `make`; its lock is taken. NULL: none, or a signal handler inside
 * its own thread's lock. */
static struct stream *lock_stream(const struct stat *status, bool make)
{
    struct stream *stream = find_stream(status->st_dev, status->st_ino);
    if (stream && !lock_take(&stream->lock))
        return NULL;
    if (stream && atomic_load(&stream->inode) == status->st_ino)
        return stream;
    if (stream)
        lock_release(&stream->lock);
    if (!make || !lock_take(&drain_memory->lock))
        return NULL;
    stream = find_stream(status->st_dev, status->st_ino);
    for (uint64_t i = 0; !stream && i < STREAM_LIMIT; i++) {
        struct stream *idle = &drain_memory->streams[(status->st_ino + i) % STREAM_LIMIT];
        if (atomic_load(&idle->state) == HELPER_NONE &&
            atomic_load(&idle->head) == atomic_load(&idle->tail))
            stream = idle;
    }
    if (!stream)
        atomic_fetch_or(&fallbacks, DRAIN_TOO_MANY);
    bool locked = stream && lock_take(&stream->lock);
    if (locked && atomic_load(&stream->state) == HELPER_NONE) {
        atomic_store(&stream->device, status->st_dev);
        atomic_store(&stream->inode, status->st_ino);
    } else if (locked && atomic_load(&stream->inode) != status->st_ino) {
        lock_release(&stream->lock);
        locked = false;
    }
    lock_release(&drain_memory->lock);
    return locked ? stream : NULL;
}

void ring_give_back(struct stream *stream, uint64_t step)
{
    uint64_t size = drain_memory->ring_size;
    uint64_t to = atomic_load(&stream->tail) & ~(step - 1);
    uint64_t from = atomic_load(&stream->given_back);
    while (from < to) {
        uint64_t place = from & (size - 1);
        uint64_t part = to - from < size - place ? to - from : size - place;
        raw_syscall(SYS_madvise, stream_ring(stream) + place, part, MADV_REMOVE);
        from += part;
    }
    atomic_store(&stream->given_back, from);
}

static void write_ring(struct stream *stream, uint64_t at, const void *from, uint64_t size)
{
    uint64_t mask = drain_memory->ring_size - 1;
    uint64_t first = drain_memory->ring_size - (at & mask);
    char *ring = stream_ring(stream);
    if (first > size)
        first = size;
    memcpy(ring + (at & mask), from, first);
    memcpy(ring, (const char *)from + first, size - first);
}

/* The pages that a write is the first to use are made many at once (Linux 5.14; else one by one, as
 * they are touched): a page fault costs as much as ten small writes. False: there is no memory. */
static bool make_pages(struct stream *stream, uint64_t from, uint64_t to)
{
    enum { CHUNK = 128 * 1024, CHUNKS_OF_BOUND = 32 };
    if (drain_memory->max < (uint64_t)CHUNK * CHUNKS_OF_BOUND)
        return true;
    uint64_t at = (from + CHUNK - 1) & ~(uint64_t)(CHUNK - 1);
    for (; at < to; at += CHUNK) {
        char *place = stream_ring(stream) + (at & (drain_memory->ring_size - 1));
        long result = raw_syscall(SYS_madvise, place, CHUNK, MADV_POPULATE_WRITE);
        if (result == -ENOMEM || result == -EFAULT)
            return false;
    }
    return true;
}

static uint64_t vector_size(const struct iovec *vector, int count)
{
    uint64_t size = 0;
    for (int i = 0; i < count; i++)
        size += vector[i].iov_len;
    return size;
}

/* Copies `size` bytes of the vector from offset `skip` on. */
static void write_ring_vector(struct stream *stream, uint64_t at, const struct iovec *vector,
                              uint64_t skip, uint64_t size)
{
    for (; size > 0; vector++) {
        if (skip >= vector->iov_len) {
            skip -= vector->iov_len;
            continue;
        }
        uint64_t part = vector->iov_len - skip;
        if (part > size)
            part = size;
        write_ring(stream, at, (const char *)vector->iov_base + skip, part);
        at += part;
        size -= part;
        skip = 0;
    }
}

/* A pwritev2() that never waits: bytes written, -EAGAIN, another -errno. */
static long write_now(int fd, const struct iovec *vector, int count)
{
    long result = raw_syscall(SYS_pwritev2, fd, vector, count, -1, -1, RWF_NOWAIT);
    if (result != -EOPNOTSUPP && result != -ENOSYS)
        return result;
    char path[32] = "/proc/self/fd/";
    char digits[12];
    int length = 0;
    for (int rest = fd; rest > 0 || length == 0; rest /= 10)
        digits[length++] = (char)('0' + rest % 10);
    char *end = path + strlen(path);
    while (length > 0)
        *end++ = digits[--length];
    *end = 0;
    long second = raw_syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0);
    if (second < 0)
        return -EOPNOTSUPP;
    result = raw_syscall(SYS_writev, second, vector, count);
    raw_syscall(SYS_close, second);
    return result;
}

/* A non-blocking fd keeps its EAGAIN; O_DIRECT is a pipe of packets, which batches would merge. */
static bool has_fit_flags(int fd)
{
    long flags = raw_syscall(SYS_fcntl, fd, F_GETFL, 0);
    return flags >= 0 && !(flags & (O_NONBLOCK | O_DIRECT)) && (flags & O_ACCMODE) != O_RDONLY;
}

/* While writes are queued the flags are looked at once in 64 writes of an fd: a second system call
 * would double their cost. An fd that becomes non-blocking meanwhile has a few writes queued that
 * would have failed. */
static bool had_fit_flags(int fd, const struct stat *status)
{
    enum { ENTRIES = 64, WRITES = 64 };
    static struct {
        _Atomic uint64_t inode;
        _Atomic int32_t fd;
        _Atomic uint32_t writes;
    } cache[ENTRIES];
    __typeof__(cache[0]) *entry = &cache[(unsigned)fd % ENTRIES];
    uint32_t writes = atomic_load_explicit(&entry->writes, memory_order_relaxed);
    if (atomic_load_explicit(&entry->inode, memory_order_relaxed) == status->st_ino &&
        atomic_load_explicit(&entry->fd, memory_order_relaxed) == fd && writes < WRITES) {
        atomic_store_explicit(&entry->writes, writes + 1, memory_order_relaxed);
        return true;
    }
    if (!has_fit_flags(fd))
        return false;
    atomic_store_explicit(&entry->inode, status->st_ino, memory_order_relaxed);
    atomic_store_explicit(&entry->fd, fd, memory_order_relaxed);
    atomic_store_explicit(&entry->writes, 0, memory_order_relaxed);
    return true;
}

/* Asked of the kernel on each queued write: a cached identity would outlive a close that happens
 * inside libc (fclose, posix_spawn's child) where no door sees it. */
static bool is_pipe(int fd, struct stat *status)
{
    if (raw_syscall(SYS_fstat, fd, status) != 0)
        return false;
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): a raw call filled it */
    return S_ISFIFO(status->st_mode) || S_ISSOCK(status->st_mode);
}

static bool is_drainable(int fd, struct stat *status)
{
    return is_pipe(fd, status) && had_fit_flags(fd, status);
}

static void drop(uint64_t bytes)
{
    atomic_fetch_add(&totals.dropped_bytes, bytes);
    atomic_fetch_add(&totals.dropped_writes, 1);
}

/* Takes the oldest whole write out of the queue. False: there is none that was not begun. */
static bool drop_oldest(struct stream *stream)
{
    uint64_t tail = atomic_load(&stream->tail);
    uint64_t head = atomic_load(&stream->head);
    uint64_t at = tail;
    uint64_t bytes = 0;
    struct record record = {0, 1};
    if (atomic_load(&stream->middle))
        return false;
    while (at < head && record.continued) {
        uint64_t mask = drain_memory->ring_size - 1;
        memcpy(&record, stream_ring(stream) + (at & mask), sizeof record); /* aligned: no wrap */
        at += record_space(record.size);
        bytes += record.size;
    }
    if (at == tail || at > head || !atomic_compare_exchange_strong(&stream->tail, &tail, at))
        return at != tail; /* the helper was faster: room all the same */
    atomic_fetch_sub(&drain_memory->queued, at - tail);
    drop(bytes);
    return true;
}

static uint64_t space_of(uint64_t bytes)
{
    uint64_t whole = bytes / RECORD_LIMIT;
    uint64_t rest = bytes % RECORD_LIMIT;
    return whole * record_space(RECORD_LIMIT) + (rest ? record_space((uint32_t)rest) : 0);
}

static bool has_room(struct stream *stream, uint64_t space)
{
    return atomic_load(&drain_memory->queued) + space <= drain_memory->max &&
           atomic_load(&stream->head) - atomic_load(&stream->tail) + space <=
               drain_memory->ring_size;
}

static bool direct_is_in_order(struct stream *stream)
{
    return atomic_load(&stream->tail) == atomic_load(&stream->head) &&
           !atomic_load(&stream->in_flight);
}

static void begin_episode(struct stream *stream, int fd)
{
    atomic_store(&stream->owner, (int32_t)raw_syscall(SYS_getpid));
    atomic_store(&stream->fd, fd);
    atomic_store(&stream->started_ns, clock_monotonic_ns());
    atomic_store(&stream->ended_ns, 0);
    atomic_store(&stream->episode_bytes, 0);
    atomic_store(&stream->episode_peak, 0);
}

/* The helper's end of the handshake is may_leave(). False: no helper could be started. */
static bool helper_is_there(struct stream *stream, int fd)
{
    uint32_t state;
    while ((state = atomic_load(&stream->state)) == HELPER_LEAVES)
        raw_syscall(SYS_sched_yield);
    if (state == HELPER_NONE) {
        if (atomic_load(&stream->head) == atomic_load(&stream->tail))
            return true;
        begin_episode(stream, fd);
        if (!helper_start(stream, fd)) {
            atomic_fetch_or(&fallbacks, DRAIN_NO_HELPER);
            return false;
        }
        atomic_fetch_add(&stream->episode, 1);
        atomic_fetch_add(&totals.episodes, 1);
    }
    if (atomic_load(&stream->sleeping)) {
        atomic_fetch_add(&stream->wake, 1);
        raw_syscall(SYS_futex, &stream->wake, FUTEX_WAKE, 1, 0, 0, 0);
    }
    return true;
}

/* The process that a queued write belongs to. A vfork child writes for its parent. */
static uint32_t own_pid(void)
{
    int32_t begun = atomic_load_explicit(&life->pid, memory_order_relaxed);
    return (uint32_t)(begun ? begun : raw_syscall(SYS_getpid));
}

static void note_queued(struct stream *stream, uint64_t size, uint64_t in_queue)
{
    uint64_t in_stream = atomic_load(&stream->head) - atomic_load(&stream->tail);
    atomic_fetch_add_explicit(&totals.queued_bytes, size, memory_order_relaxed);
    if (in_queue > atomic_load_explicit(&totals.peak_bytes, memory_order_relaxed))
        atomic_store_explicit(&totals.peak_bytes, in_queue, memory_order_relaxed);
    uint64_t bytes = atomic_load_explicit(&stream->episode_bytes, memory_order_relaxed);
    atomic_store_explicit(&stream->episode_bytes, bytes + size, memory_order_relaxed);
    if (in_stream > atomic_load_explicit(&stream->episode_peak, memory_order_relaxed))
        atomic_store_explicit(&stream->episode_peak, in_stream, memory_order_relaxed);
}

/* Appends; the lock is held and there is room. False: not queued, no helper or memory to be had. */
static bool append(struct stream *stream, int fd, const struct iovec *vector, uint64_t skip,
                   uint64_t size)
{
    uint64_t before = atomic_load(&stream->head);
    uint64_t at = before;
    if (!make_pages(stream, before, before + space_of(size))) {
        atomic_fetch_or(&fallbacks, DRAIN_NO_MEMORY);
        return false;
    }
    for (uint64_t left = size; left > 0;) {
        uint64_t part = left < RECORD_LIMIT ? left : RECORD_LIMIT;
        struct record record = {(uint32_t)part, left > part};
        write_ring(stream, at, &record, sizeof record);
        write_ring_vector(stream, at + sizeof record, vector, skip, part);
        at += record_space((uint32_t)part);
        skip += part;
        left -= part;
    }
    uint64_t queued = atomic_fetch_add(&drain_memory->queued, at - before) + at - before;
    atomic_store_explicit(&stream->last_writer, own_pid(), memory_order_relaxed);
    atomic_store(&stream->head, at);
    if (!helper_is_there(stream, fd)) {
        atomic_store(&stream->head, before);
        atomic_fetch_sub(&drain_memory->queued, at - before);
        return false;
    }
    note_queued(stream, size, queued);
    return true;
}

/* Bytes of this write that may be queued now, at least 1; 0: the write is dropped. Waits, without
 * the lock's order being lost, where the policy says so. */
static uint64_t make_room(struct stream *stream, int fd, uint64_t size)
{
    enum { PIECE = RECORD_LIMIT / 2 };
    for (;;) {
        if (has_room(stream, space_of(size)))
            return size;
        if (options.overflow == DRAIN_DROP_NEW)
            return 0;
        if (options.overflow == DRAIN_DROP_OLD) {
            if (space_of(size) > drain_memory->max || !drop_oldest(stream))
                return 0;
            continue;
        }
        /* Larger than the whole queue: by and by. */
        if (space_of(size) > drain_memory->max && has_room(stream, space_of(PIECE)))
            return PIECE;
        if (!helper_is_there(stream, fd))
            return size;
        sleep_ns(POLL_NS / 4);
    }
}

/* A plain blocking write of the rest of the vector. */
static ssize_t write_rest(int fd, const struct iovec *vector, int count, uint64_t done)
{
    uint64_t skip = done;
    for (int i = 0; i < count; i++) {
        uint64_t part = vector[i].iov_len;
        if (skip >= part) {
            skip -= part;
            continue;
        }
        long result = raw_syscall(SYS_write, fd, (char *)vector[i].iov_base + skip, part - skip);
        if (result < 0)
            return done ? (ssize_t)done : result;
        done += (uint64_t)result;
        if ((uint64_t)result < part - skip)
            return (ssize_t)done;
        skip = 0;
    }
    return (ssize_t)done;
}

/* Queues what is left of the vector after `done` bytes; the lock is held. */
static ssize_t queue_rest(struct stream *stream, int fd, const struct iovec *vector, int count,
                          uint64_t done)
{
    uint64_t size = vector_size(vector, count);
    while (done < size) {
        uint64_t part = make_room(stream, fd, size - done);
        if (drain_memory->keep_pages &&
            atomic_load(&stream->tail) - atomic_load(&stream->given_back) >= ring_step())
            ring_give_back(stream, ring_step());
        if (part == 0) {
            drop(size - done);
            return (ssize_t)size;
        }
        if (!append(stream, fd, vector, done, part)) {
            while (!direct_is_in_order(stream) && atomic_load(&stream->state) == HELPER_RUNS)
                sleep_ns(POLL_NS / 4);
            return write_rest(fd, vector, count, done);
        }
        done += part;
    }
    return (ssize_t)size;
}

/* The pipe is full, but its reader may be at work: as long as it makes room within the moment that
 * a sleeping reader takes to wake up, the write goes on directly, and no helper is started for a
 * reader that keeps up. Returns the bytes written until now, `done` of them before; a negative
 * errno only if nothing was. */
static long write_while_read(int fd, const struct iovec *vector, int count, long done)
{
    enum { READER_WAKES_NS = NS_PER_MS };
    uint64_t size = vector_size(vector, count);
    uint64_t written = done > 0 ? (uint64_t)done : 0;
    while (written < size && atomic_load(&drain_memory->active) == 0) {
        struct pollfd room = {.fd = fd, .events = POLLOUT};
        struct timespec moment = {0, READER_WAKES_NS};
        if (raw_syscall(SYS_ppoll, &room, 1, &moment, 0, 8) != 1)
            break;
        const struct iovec *first = vector;
        uint64_t skip = written;
        for (; skip >= first->iov_len; first++)
            skip -= first->iov_len;
        struct iovec rest = {(char *)first->iov_base + skip, first->iov_len - skip};
        /* A write of up to PIPE_BUF is begun whole. */
        done = skip ? write_now(fd, &rest, 1) : write_now(fd, first, count - (int)(first - vector));
        if (done < 0 && done != -EAGAIN)
            return written ? (long)written : done;
        written += done > 0 ? (uint64_t)done : 0;
    }
    return written ? (long)written : -EAGAIN;
}

static void wait_until_sent(uint64_t deadline);

ssize_t drain_write(int fd, const struct iovec *vector, int count)
{
    uint64_t size = vector_size(vector, count);
    long done = -EAGAIN;
    if (size == 0 || count > IOV_MAX)
        return DRAIN_PASS;
    bool direct = !options.behind && atomic_load(&drain_memory->active) == 0;
    if (direct) {
        done = write_now(fd, vector, count);
        if (done == (long)size || done == -EPIPE)
            return done;
        if (done < 0 && done != -EAGAIN)
            return DRAIN_PASS;
    }
    struct stat status;
    if (direct ? !(is_pipe(fd, &status) && has_fit_flags(fd)) : !is_drainable(fd, &status))
        return done > 0 ? done : DRAIN_PASS;
    if (options.grow && S_ISFIFO(status.st_mode) &&
        raw_syscall(SYS_fcntl, fd, F_GETPIPE_SZ) < (long)options.grow)
        raw_syscall(SYS_fcntl, fd, F_SETPIPE_SZ, options.grow);
    if (direct) {
        done = write_while_read(fd, vector, count, done);
        if (done == (long)size || done == -EPIPE)
            return done;
        if (done < 0 && done != -EAGAIN)
            return DRAIN_PASS;
    }
    struct stream *stream = lock_stream(&status, true);
    if (!stream)
        return done > 0 ? write_rest(fd, vector, count, (uint64_t)done) : DRAIN_PASS;
    uint64_t written = done > 0 ? (uint64_t)done : 0;
    ssize_t result;
    if (!options.behind && written == 0 && direct_is_in_order(stream)) {
        done = write_now(fd, vector, count);
        written = done > 0 ? (uint64_t)done : 0;
    }
    if (written == 0 && done < 0 && done != -EAGAIN)
        result = done == -EPIPE ? done : DRAIN_PASS;
    else
        result = queue_rest(stream, fd, vector, count, written);
    lock_release(&stream->lock);
    if (finish_deadline && result > 0)
        wait_until_sent(finish_deadline);
    return result;
}

void drain_flush(int fd)
{
    struct stat status;
    if (atomic_load(&drain_memory->active) == 0 || !is_drainable(fd, &status))
        return;
    struct stream *stream = find_stream(status.st_dev, status.st_ino);
    while (stream && atomic_load(&stream->inode) == status.st_ino && !direct_is_in_order(stream))
        sleep_ns(POLL_NS);
}

static bool is_mine(struct stream *stream)
{
    return atomic_load(&stream->last_writer) == (uint32_t)raw_syscall(SYS_getpid);
}

static bool all_sent(bool *any)
{
    bool sent = true;
    for (int i = 0; i < STREAM_LIMIT; i++) {
        struct stream *stream = &drain_memory->streams[i];
        if (!is_mine(stream))
            continue;
        *any = true;
        atomic_store(&stream->let_go, 1);
        if (atomic_load(&stream->sleeping)) {
            atomic_fetch_add(&stream->wake, 1);
            raw_syscall(SYS_futex, &stream->wake, FUTEX_WAKE, 1, 0, 0, 0);
        }
        sent = sent && direct_is_in_order(stream);
    }
    return sent;
}

/* Counts what a stream holds. The helper sends meanwhile: begun anew when it has passed us. */
static void count_left(struct stream *stream)
{
    uint64_t mask = drain_memory->ring_size - 1;
    uint64_t head = atomic_load(&stream->head);
    for (int tries = 0; tries < 4; tries++) {
        uint64_t at = atomic_load(&stream->tail);
        uint64_t bytes = 0;
        uint64_t writes = 0;
        bool whole = true;
        while (at < head && whole) {
            struct record record;
            memcpy(&record, stream_ring(stream) + (at & mask), sizeof record);
            whole = atomic_load(&stream->tail) <= at && record.size <= RECORD_LIMIT;
            bytes += record.size;
            writes += !record.continued;
            at += record_space(record.size);
        }
        if (!whole && tries < 3)
            continue;
        totals.handed_over_bytes += bytes;
        totals.handed_over_writes += writes;
        return;
    }
}

static void wait_until_sent(uint64_t deadline)
{
    bool any = false;
    while (!all_sent(&any) && clock_monotonic_ns() < deadline)
        sleep_ns(POLL_NS);
}

bool drain_finish(bool exits)
{
    bool any = false;
    if (!drain_enabled)
        return false;
    uint64_t now = clock_monotonic_ns();
    uint64_t deadline = options.exit_ns > UINT64_MAX - now ? UINT64_MAX : now + options.exit_ns;
    if (exits)
        finish_deadline = deadline;
    all_sent(&any);
    if (!any)
        return false;
    wait_until_sent(deadline);
    totals.handed_over_bytes = 0;
    totals.handed_over_writes = 0;
    for (int i = 0; i < STREAM_LIMIT; i++)
        if (is_mine(&drain_memory->streams[i]))
            count_left(&drain_memory->streams[i]);
    return true;
}

void drain_begin_in_child(void)
{
    if (!drain_enabled)
        return;
    memset(&totals, 0, sizeof totals);
    totals.lost_before = atomic_load(&drain_memory->lost_bytes);
    finish_deadline = 0;
}

unsigned drain_fallbacks(void)
{
    return atomic_exchange(&fallbacks, 0);
}

struct drain_totals drain_totals(void)
{
    if (!drain_enabled)
        return (struct drain_totals){0};
    return (struct drain_totals){
        .episodes = atomic_load(&totals.episodes),
        .queued_bytes = atomic_load(&totals.queued_bytes),
        .peak_bytes = atomic_load(&totals.peak_bytes),
        .dropped_bytes = atomic_load(&totals.dropped_bytes),
        .dropped_writes = atomic_load(&totals.dropped_writes),
        .lost_bytes = atomic_load(&drain_memory->lost_bytes) - totals.lost_before,
        .handed_over_bytes = totals.handed_over_bytes,
        .handed_over_writes = totals.handed_over_writes,
    };
}
