// SPDX-License-Identifier: MIT
#include "watch/cpu_events.h"

#include <linux/perf_event.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/zeroed_memory.h"
#include "kernel/proc_reader.h"
#include "process/life.h"

enum {
    SESSION_LIMIT = 4,
    SAMPLE_PERIOD_NS = 5 * NS_PER_MS,
    STACK_BYTES = 32 * 1024, /* what lies deeper is read from the thread, where it holds still */
    RING_BYTES = 128 * 1024, /* three samples; a multiple of every page size */
    PARANOIA_LIMIT = 2,      /* kernel.perf_event_paranoid: above, only root may look at itself */
};

/* The registers that an unwinder starts with, in the kernel's order (asm/perf_regs.h). */
#if defined(__x86_64__)
#define SAMPLED_REGISTERS                                                                          \
    (1ULL << 1 | 1ULL << 6 | 1ULL << 7 | 1ULL << 8 | 1ULL << 17 | 0xfULL << 20)
enum { SAMPLED_COUNT = 9, SAMPLED_R9 = 4 };
static struct saved_registers registers_of(const uint64_t *from)
{
    return (struct saved_registers){.rbx = from[0],
                                    .rbp = from[1],
                                    .sp = from[2],
                                    .pc = from[3],
                                    .r12 = from[5],
                                    .r13 = from[6],
                                    .r14 = from[7],
                                    .r15 = from[8]};
}
#elif defined(__aarch64__)
#define SAMPLED_REGISTERS (0x1fffULL << 19 | 1ULL << 32) /* x19 to x28, fp, lr, sp; pc */
enum { SAMPLED_COUNT = 14, SAMPLED_R9 = 0 };
static struct saved_registers registers_of(const uint64_t *from)
{
    struct saved_registers registers = {
        .fp = from[10], .lr = from[11], .sp = from[12], .pc = from[13]};
    memcpy(registers.x19_to_x28, from, sizeof registers.x19_to_x28);
    return registers;
}
#endif

struct session {
    int tid; /* 0: free */
    int fd;
    bool on;
    bool sampled;
    struct perf_event_mmap_page *ring; /* one page of control, then ring_size bytes */
    size_t ring_size;
    struct saved_registers registers;
    uint64_t r9;
    size_t stack_size;
    unsigned char stack[STACK_BYTES];
};

static struct session *sessions; /* SESSION_LIMIT, at the first; child: kept, it is a mapping */

static bool is_error(long result)
{
    return result < 0 && result > -4096;
}

static int paranoia(void)
{
    char text[16];
    if (proc_read("/proc/sys/kernel/perf_event_paranoid", text, sizeof text) <= 0)
        return PARANOIA_LIMIT + 1; /* no such file: no perf events in this kernel */
    return text[0] >= '0' && text[0] <= '9' ? text[0] - '0' : 0; /* "-1" */
}

bool cpu_events_allowed(void)
{
    return paranoia() <= PARANOIA_LIMIT || raw_syscall(SYS_geteuid) == 0;
}

static size_t mapping_size(const struct session *session)
{
    return getauxval(AT_PAGESZ) + session->ring_size;
}

static void close_session(struct session *session)
{
    if (session->ring)
        raw_syscall(SYS_munmap, session->ring, mapping_size(session));
    raw_syscall(SYS_close, session->fd);
    memset(session, 0, offsetof(struct session, stack));
}

static void forget(struct session *session)
{
    memset(session, 0, offsetof(struct session, stack));
}

void cpu_events_reset(void)
{
    for (unsigned i = 0; sessions && i < SESSION_LIMIT; i++) {
        /* The descriptors went with the thread that had them. */
        if (sessions[i].ring)
            raw_syscall(SYS_munmap, sessions[i].ring, mapping_size(&sessions[i]));
        if (sessions[i].tid != 0)
            forget(&sessions[i]);
    }
}

void cpu_events_begin_in_child(void)
{
    for (unsigned i = 0; sessions && i < SESSION_LIMIT; i++)
        if (sessions[i].tid != 0 || sessions[i].ring)
            forget(&sessions[i]);
}

static struct session *find(int tid)
{
    for (unsigned i = 0; sessions && i < SESSION_LIMIT; i++)
        if (sessions[i].tid == tid)
            return &sessions[i];
    return NULL;
}

static bool open_session(struct session *session, int tid)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof attr,
        .config = PERF_COUNT_SW_CPU_CLOCK,
        .sample_period = SAMPLE_PERIOD_NS,
        .sample_type = PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
        .sample_regs_user = SAMPLED_REGISTERS,
        .sample_stack_user = STACK_BYTES,
        .disabled = 1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    long fd = raw_syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0)
        return false;
    session->fd = (int)fd;
    session->ring_size = RING_BYTES;
    long ring =
        raw_syscall(SYS_mmap, 0, mapping_size(session), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (is_error(ring)) {
        raw_syscall(SYS_close, fd);
        return false;
    }
    session->ring = (struct perf_event_mmap_page *)ring;
    session->tid = tid;
    return true;
}

/* A free one, else that of a thread that is not sampled now; NULL: no memory for any. */
static struct session *free_session(void)
{
    if (!sessions && !(sessions = zeroed_memory(SESSION_LIMIT * sizeof *sessions)))
        return NULL;
    struct session *all = sessions;
    struct session *session = find(0);
    for (unsigned i = 0; !session && i < SESSION_LIMIT; i++) {
        if (!all[i].on) {
            close_session(&all[i]);
            session = &all[i];
        }
    }
    return session;
}

static void skip_old_samples(struct session *session)
{
    uint64_t head = __atomic_load_n(&session->ring->data_head, __ATOMIC_ACQUIRE);
    __atomic_store_n(&session->ring->data_tail, head, __ATOMIC_RELEASE);
}

/* Copies out of the ring, which wraps. */
static void copy_from_ring(const struct session *session, uint64_t at, void *to, size_t size)
{
    const unsigned char *data = (const unsigned char *)session->ring + getauxval(AT_PAGESZ);
    size_t start = at % session->ring_size;
    size_t first = session->ring_size - start < size ? session->ring_size - start : size;
    memcpy(to, data + start, first);
    memcpy((unsigned char *)to + first, data, size - first);
}

/* header; u64 abi; u64 registers[]; u64 size; bytes; u64 size of what was copied */
static void read_sample(struct session *session, uint64_t at, size_t record_size)
{
    uint64_t abi;
    uint64_t values[SAMPLED_COUNT];
    uint64_t size;
    at += sizeof(struct perf_event_header);
    copy_from_ring(session, at, &abi, sizeof abi);
    if (abi != PERF_SAMPLE_REGS_ABI_64)
        return;
    at += sizeof abi;
    copy_from_ring(session, at, values, sizeof values);
    at += sizeof values;
    copy_from_ring(session, at, &size, sizeof size);
    at += sizeof size;
    if (size == 0 || size > STACK_BYTES || size + sizeof values > record_size)
        return;
    copy_from_ring(session, at, session->stack, size);
    copy_from_ring(session, at + size, &size, sizeof size);
    session->registers = registers_of(values);
    session->r9 = values[SAMPLED_R9];
    session->stack_size = size < STACK_BYTES ? size : STACK_BYTES;
    session->sampled = true;
}

static void read_ring(struct session *session)
{
    uint64_t head = __atomic_load_n(&session->ring->data_head, __ATOMIC_ACQUIRE);
    uint64_t tail = session->ring->data_tail;
    struct perf_event_header header;
    while (head - tail >= sizeof header && head - tail <= session->ring_size) {
        copy_from_ring(session, tail, &header, sizeof header);
        if (header.size < sizeof header || header.size > head - tail)
            break;
        if (header.type == PERF_RECORD_SAMPLE)
            read_sample(session, tail, header.size);
        tail += header.size;
    }
    __atomic_store_n(&session->ring->data_tail, head, __ATOMIC_RELEASE);
}

bool cpu_events_begin(int tid)
{
    struct session *session = find(tid);
    if (session && session->on) {
        read_ring(session); /* it holds three samples, and drops what comes after */
        return true;
    }
    if (!session) {
        session = free_session();
        if (!session)
            return false;
        if (!open_session(session, tid))
            return false;
    }
    skip_old_samples(session);
    session->sampled = false;
    session->on = raw_syscall(SYS_ioctl, session->fd, PERF_EVENT_IOC_ENABLE, 0) == 0;
    return session->on;
}

void cpu_events_end(int tid)
{
    struct session *session = find(tid);
    if (!session || !session->on)
        return;
    session->on = false;
    if (raw_syscall(SYS_ioctl, session->fd, PERF_EVENT_IOC_DISABLE, 0) != 0)
        close_session(session);
}

bool cpu_events_latest(int tid, struct stack_snapshot *snapshot)
{
    struct session *session = find(tid);
    if (!session || !session->on)
        return false;
    read_ring(session);
    if (!session->sampled)
        return false;
    snapshot->registers = session->registers;
    snapshot->known = REGISTERS_ALL;
    snapshot->pc_returns = false;
    snapshot->has_r9 = true;
    snapshot->r9 = session->r9;
    snapshot->start = session->registers.sp;
    snapshot->size = session->stack_size;
    memcpy(snapshot->bytes, session->stack, session->stack_size);
    stack_snapshot_begin(snapshot);
    return true;
}
