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
#include "drain/stream.h"

enum { NAMED_FDS = 1024, HEADER_ROOM = 65536, POLL_NS = NS_PER_MS };

bool drain_enabled;
struct drain_memory *drain_memory;
static struct drain_options options;
static bool named[NAMED_FDS];
static bool named_all;

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
    uint32_t self = (uint32_t)raw_syscall(SYS_gettid);
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
    for (int i = 0; i < STREAM_LIMIT; i++) {
        struct stream *stream = &drain_memory->streams[i];
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
    for (int i = 0; !stream && i < STREAM_LIMIT; i++) {
        struct stream *idle = &drain_memory->streams[i];
        if (atomic_load(&idle->state) == HELPER_NONE &&
            atomic_load(&idle->head) == atomic_load(&idle->tail))
            stream = idle;
    }
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

static bool is_drainable(int fd, struct stat *status)
{
    if (raw_syscall(SYS_newfstatat, fd, "", status, AT_EMPTY_PATH) != 0)
        return false;
    if (!S_ISFIFO(status->st_mode) && !S_ISSOCK(status->st_mode))
        return false;
    long flags = raw_syscall(SYS_fcntl, fd, F_GETFL, 0);
    /* A non-blocking fd keeps its EAGAIN; O_DIRECT is a pipe of packets, which batches would merge.
     */
    return flags >= 0 && !(flags & (O_NONBLOCK | O_DIRECT)) && (flags & O_ACCMODE) != O_RDONLY;
}

static void drop(uint64_t bytes)
{
    atomic_fetch_add(&drain_memory->dropped_bytes, bytes);
    atomic_fetch_add(&drain_memory->dropped_writes, 1);
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

/* The helper's end of the handshake is may_leave(). False: no helper could be started. */
static bool helper_is_there(struct stream *stream, int fd)
{
    uint32_t state;
    while ((state = atomic_load(&stream->state)) == HELPER_LEAVES)
        raw_syscall(SYS_sched_yield);
    if (state == HELPER_NONE)
        return atomic_load(&stream->head) == atomic_load(&stream->tail) || helper_start(stream, fd);
    if (atomic_load(&stream->sleeping)) {
        atomic_fetch_add(&stream->wake, 1);
        raw_syscall(SYS_futex, &stream->wake, FUTEX_WAKE, 1, 0, 0, 0);
    }
    return true;
}

/* Appends; the lock is held and there is room. False: not queued, no helper to be had. */
static bool append(struct stream *stream, int fd, const struct iovec *vector, uint64_t skip,
                   uint64_t size)
{
    uint64_t before = atomic_load(&stream->head);
    uint64_t at = before;
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
    atomic_store(&stream->head, at);
    if (!helper_is_there(stream, fd)) {
        atomic_store(&stream->head, before);
        atomic_fetch_sub(&drain_memory->queued, at - before);
        return false;
    }
    atomic_fetch_add(&drain_memory->queued_bytes, size);
    if (queued > atomic_load(&drain_memory->peak_bytes))
        atomic_store(&drain_memory->peak_bytes, queued);
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
        if (part == 0) {
            drop(size - done);
            return (ssize_t)size;
        }
        if (!append(stream, fd, vector, done, part))
            return write_rest(fd, vector, count, done);
        done += part;
    }
    return (ssize_t)size;
}

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
    if (!is_drainable(fd, &status))
        return done > 0 ? done : DRAIN_PASS;
    if (options.grow && S_ISFIFO(status.st_mode) &&
        raw_syscall(SYS_fcntl, fd, F_GETPIPE_SZ) < (long)options.grow)
        raw_syscall(SYS_fcntl, fd, F_SETPIPE_SZ, options.grow);
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

uint64_t drain_finish(void)
{
    if (!drain_enabled)
        return 0;
    uint64_t deadline = clock_monotonic_ns() + options.exit_ns;
    while (atomic_load(&drain_memory->active) > 0) {
        if (clock_monotonic_ns() >= deadline)
            return atomic_load(&drain_memory->queued);
        sleep_ns(POLL_NS);
    }
    return 0;
}

struct drain_totals drain_totals(void)
{
    if (!drain_enabled)
        return (struct drain_totals){0};
    return (struct drain_totals){
        atomic_load(&drain_memory->episodes),       atomic_load(&drain_memory->queued_bytes),
        atomic_load(&drain_memory->peak_bytes),     atomic_load(&drain_memory->dropped_bytes),
        atomic_load(&drain_memory->dropped_writes), atomic_load(&drain_memory->lost_bytes)};
}
