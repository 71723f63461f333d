// SPDX-License-Identifier: MIT
#include "doors/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/thread_pointer.h"
#include "watch/life.h"
#include "watch/thread.h"

enum {
    /* A short-lived command (ls, sh, true) makes a few calls that cannot block, and often a sandbox
     * of its own: no second thread for it. After this many calls the test costs more than it saves.
     */
    EARLY_CALLS = 200,
    BITS = 64,
};

static struct slot none = {.fd = -1};
__thread struct slot *thread_slot = &none;

/* Chunks outlive a fork, their content does not. */
static _Atomic(struct slot *) chunks[SLOT_CHUNKS];

struct slot *slot_none(void)
{
    return &none;
}

struct slot *slot_at(unsigned index)
{
    struct slot *chunk =
        atomic_load_explicit(&chunks[index / SLOTS_IN_A_CHUNK], memory_order_acquire);
    return chunk ? &chunk[index % SLOTS_IN_A_CHUNK] : NULL;
}

unsigned slot_bound(void)
{
    return atomic_load(&life->slot_bound);
}

static bool make_chunk(unsigned chunk)
{
    if (atomic_load(&chunks[chunk]))
        return true;
    size_t size = sizeof(struct slot) * SLOTS_IN_A_CHUNK;
    long made =
        raw_syscall(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made < 0 && made > -4096)
        return false;
    struct slot *expected = NULL;
    if (raw_syscall(SYS_madvise, made, size, MADV_WIPEONFORK) != 0 ||
        !atomic_compare_exchange_strong(&chunks[chunk], &expected, (struct slot *)made))
        raw_syscall(SYS_munmap, made, size);
    return atomic_load(&chunks[chunk]) != NULL;
}

/* Takes the first free bit; returns its index or -1. */
static int take_index(void)
{
    for (unsigned word = 0; word < SLOT_LIMIT / BITS; word++) {
        uint64_t used = atomic_load(&life->slots_used[word]);
        while (used != UINT64_MAX) {
            unsigned bit = (unsigned)__builtin_ctzll(~used);
            if (!atomic_compare_exchange_weak(&life->slots_used[word], &used, used | 1ULL << bit))
                continue;
            unsigned index = word * BITS + bit;
            uint32_t bound = atomic_load(&life->slot_bound);
            while (bound <= index &&
                   !atomic_compare_exchange_weak(&life->slot_bound, &bound, index + 1))
                ;
            return (int)index;
        }
    }
    return -1;
}

static void give_back_index(unsigned index)
{
    atomic_fetch_and(&life->slots_used[index / BITS], ~(1ULL << index % BITS));
}

unsigned slot_sweep(void)
{
    unsigned freed = 0;
    int pid = atomic_load(&life->pid);
    for (unsigned index = 0; index < slot_bound(); index++) {
        struct slot *slot = slot_at(index);
        int tid = slot ? __atomic_load_n(&slot->tid, __ATOMIC_ACQUIRE) : 0;
        if (tid <= 0 || raw_syscall(SYS_tgkill, pid, tid, 0) != -ESRCH)
            continue;
        /* Only one of two sweepers frees it. */
        if (!__atomic_compare_exchange_n(&slot->tid, &tid, 0, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_RELAXED))
            continue;
        atomic_store(&slot->armed, 0);
        atomic_store(&slot->sequence, 0);
        give_back_index(index);
        freed++;
    }
    atomic_store(&life->slot_claims, 0);
    return freed;
}

void slots_disarm(void)
{
    for (unsigned index = 0; index < slot_bound(); index++) {
        struct slot *slot = slot_at(index);
        if (slot)
            atomic_store_explicit(&slot->armed, 0, memory_order_relaxed);
    }
}

static struct slot *take_slot(int tid)
{
    /* Threads come and go: look for the dead once in as many claims as there are slots. */
    if (atomic_fetch_add(&life->slot_claims, 1) > slot_bound() + 64)
        slot_sweep();
    int index = take_index();
    if (index < 0)
        return NULL;
    if (!make_chunk((unsigned)index / SLOTS_IN_A_CHUNK)) {
        give_back_index((unsigned)index);
        return NULL;
    }
    struct slot *slot = slot_at((unsigned)index);
    atomic_store(&slot->sequence, 0);
    slot->watch = (struct slot_watch){0};
    memset(slot->waits, 0, sizeof slot->waits);
    slot->thread_pointer = read_thread_pointer();
    __atomic_store_n(&slot->tid, tid, __ATOMIC_RELEASE);
    return slot;
}

/* True if the call cannot block for long as things are: then it needs no watchdog yet. */
static bool is_ready(enum call_id call, int fd, uint64_t detail)
{
    enum { PIPE_BUF_BYTES = 4096 }; /* what a writable pipe surely takes (pipe(7)) */
    enum call_class class = call_describe(call)->class;
    if (fd < 0 || detail > PIPE_BUF_BYTES ||
        (class != CLASS_PIPE_WRITE && class != CLASS_PIPE_READ))
        return false;
    /* A pipe is not polled: shim/graph/borrowed_fd.h says why. Half-filled pages take a slot each.
     */
    long capacity = raw_syscall(SYS_fcntl, fd, F_GETPIPE_SZ);
    int used = -1;
    if (capacity > 0 && raw_syscall(SYS_ioctl, fd, FIONREAD, &used) == 0 && used >= 0)
        return class == CLASS_PIPE_READ ? used > 0
                                        : used == 0 || used + PIPE_BUF_BYTES <= capacity / 4;
    struct pollfd look = {.fd = fd, .events = class == CLASS_PIPE_WRITE ? POLLOUT : POLLIN};
    struct timespec now = {0, 0};
    return raw_syscall(SYS_ppoll, &look, 1, &now, 0, 8) == 1;
}

/* Only a write is reported on any thread; another call matters once the thread may be a loop. A
 * shell that waits for its children, or `sleep 5`, needs no watchdog. */
static bool matters(enum call_id call, uint32_t state)
{
    enum call_class class = call_describe(call)->class;
    if (class == CLASS_PIPE_WRITE || class == CLASS_SOCKET_WRITE)
        return true;
    if (settings.loop != LOOP_AUTO)
        return settings.loop != LOOP_NONE;
    /* A read starts the watchdog because the sampler may see more than the doors do. */
    return class == CLASS_POLL || (class == CLASS_PIPE_READ && state == THREAD_NONE) ||
           slot_may_be_loop(thread_slot);
}

void slot_claim_after_wait(struct slot *slot)
{
    if (!slot_may_be_loop(slot) || atomic_load(&life->thread_state) != THREAD_RUNNING)
        return;
    slot->claimed_ns = clock_monotonic_ns();
    atomic_store_explicit(&slot->armed, 1, memory_order_relaxed);
    watchdog_thread_wake();
}

struct slot *slot_claim(enum call_id call, int fd, uint64_t detail)
{
    /* First what costs nothing: a thread that is no loop comes this way with each read. In a forked
     * child all of `life` reads zero, and the first call goes on. */
    if (!life_active() || !matters(call, atomic_load(&life->thread_state)) || !life_begin())
        return NULL;
    uint32_t state = atomic_load(&life->thread_state);
    if (state == THREAD_FORBIDDEN || state == THREAD_STOPPING)
        return NULL;
    int tid = (int)raw_syscall(SYS_gettid);
    if (tid == atomic_load(&life->watchdog_tid))
        return NULL;
    if (state == THREAD_NONE) {
        if (is_ready(call, fd, detail) && atomic_fetch_add(&life->early_calls, 1) < EARLY_CALLS)
            return NULL;
        if (!watchdog_thread_start())
            return NULL;
    }
    struct slot *slot = thread_slot;
    if (slot->tid != tid) {
        slot = take_slot(tid);
        if (!slot)
            return NULL;
        thread_slot = slot;
    }
    slot->claimed_ns = clock_monotonic_ns();
    atomic_store_explicit(&slot->armed, 1, memory_order_relaxed);
    if (state == THREAD_RUNNING)
        watchdog_thread_wake();
    return slot;
}
