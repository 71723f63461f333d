// SPDX-License-Identifier: MIT
#include "doors/claim.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "doors/held_ends.h"
#include "doors/own_wait.h"
#include "drain/drain.h"
#include "process/life.h"
#include "process/pairs.h"
#include "watch/child.h"
#include "watch/late_start.h"
#include "watch/sleep.h"
#include "watch/thread.h"

enum {
    /* A short-lived command (ls, sh, true) makes a few calls that cannot block, and often a sandbox
     * of its own: no second thread for it. After this many calls the test costs more than it saves.
     * Of a pipe it is exact: there they may be as many again after that time (GNU make takes a
     * token from its own pipe for each job).
     */
    EARLY_CALLS = 200,
    EARLY_CALLS_MS = 20,
};

/* True if the call cannot block for long as things are: then it needs no watchdog yet. */
static bool is_ready(enum call_id call, int fd, uint64_t detail, bool *is_pipe)
{
    enum { PIPE_BUF_BYTES = 4096 }; /* what a writable pipe surely takes (pipe(7)) */
    enum call_class class = call_describe(call)->class;
    *is_pipe = false;
    if (fd < 0 || detail > PIPE_BUF_BYTES ||
        (class != CLASS_PIPE_WRITE && class != CLASS_PIPE_READ))
        return false;
    /* A pipe is not polled: kernel/borrowed_fd.h says why. Half-filled pages take a slot each.
     */
    long capacity = raw_syscall(SYS_fcntl, fd, F_GETPIPE_SZ);
    int used = -1;
    *is_pipe = capacity > 0 && raw_syscall(SYS_ioctl, fd, FIONREAD, &used) == 0 && used >= 0;
    if (*is_pipe && class == CLASS_PIPE_READ)
        return used > 0 || (raw_syscall(SYS_fcntl, fd, F_GETFL) & O_NONBLOCK);
    if (*is_pipe)
        return used == 0 || used + PIPE_BUF_BYTES <= capacity / 4;
    struct pollfd ready = {.fd = fd, .events = class == CLASS_PIPE_WRITE ? POLLOUT : POLLIN};
    struct timespec now = {0, 0};
    return raw_syscall(SYS_ppoll, &ready, 1, &now, 0, 8) == 1;
}

static bool may_come_early(bool on_pipe)
{
    if (!on_pipe)
        return atomic_fetch_add(&life->early_calls, 1) < EARLY_CALLS;
    uint32_t before = atomic_fetch_add(&life->early_on_pipes, 1);
    if (before > 0 && before < EARLY_CALLS)
        return true;
    uint64_t now = clock_monotonic_ns();
    if (before == 0) {
        atomic_store(&life->early_since, now);
        return true;
    }
    if (now - atomic_exchange(&life->early_since, now) < (uint64_t)EARLY_CALLS_MS * NS_PER_MS)
        return false;
    atomic_store(&life->early_on_pipes, 1);
    return true;
}

/* Can this wait be part of a deadlock, so that it is worth a watchdog? For a child, or for time, if
 * this process keeps one end of a pipe; for a file lock, if it waits for it at all. In a process
 * with several threads, which has a pipe, another one may wait where no door is. A shell that waits
 * for its pipeline, or `sleep 5`, needs none; nor does one that keeps no end, unless a child may
 * keep both of what it was fed through. */
static bool may_wait_in_vain(enum call_class class, uint64_t detail)
{
    if (class == CLASS_LOCK && detail == 0)
        return true;
    if (!pairs_any_made())
        return false;
    return (class == CLASS_CHILD || class == CLASS_SLEEP ||
            raw_syscall(SYS_gettid) != atomic_load(&life->pid)) &&
           (held_ends_reach_others() || (class == CLASS_CHILD && held_ends_left_to_child()));
}

/* Only a write is reported on any thread; another call matters once the thread may be a loop.
 * `wait`: the arguments of a readiness wait, if they may be looked at; else NULL. */
static bool matters(enum call_id call, uint64_t detail, const uint64_t *wait, uint32_t state)
{
    enum call_class class = call_describe(call)->class;
    if (wait && state == THREAD_NONE && settings.loop == LOOP_AUTO &&
        !slot_may_be_loop(thread_slot) && wait_is_own(call, wait))
        class = CLASS_SLEEP;
    if (class == CLASS_PIPE_WRITE || class == CLASS_SOCKET_WRITE)
        return true;
    if (state == THREAD_NONE && may_wait_in_vain(class, detail))
        return true;
    if (settings.loop != LOOP_AUTO)
        return settings.loop != LOOP_NONE;
    /* A read starts the watchdog because the sampler may see more than the doors do. */
    return class == CLASS_POLL || (class == CLASS_PIPE_READ && state == THREAD_NONE) ||
           slot_may_be_loop(thread_slot);
}

/* What the drainer does depends on what was called before (drain/write.c), and its doors have a
 * frame anyway. */
static bool marks_ends(void)
{
    return drain_enabled || atomic_load_explicit(&life->ends_marked, memory_order_relaxed) != 0;
}

/* No read of this thread matters, until watch/event_loops.c finds that it is a loop. */
static void let_reads_pass(void)
{
    struct slot *slot = thread_slot;
    if (slot == slot_none())
        slot = slot_passing();
    if (!slot || marks_ends())
        return;
    atomic_store(&slot->reads, READS_PASS);
    /* As in arm(): a read may have to start the next watchdog. */
    if (atomic_load(&life->thread_state) != THREAD_RUNNING || marks_ends())
        atomic_store(&slot->reads, READS_ASK);
    else
        slot_set_own(slot);
}

/* A watchdog that ends leaves its state first and disarms then: whichever comes second sees that an
 * armed slot would have nobody who looks at it. */
static void arm(struct slot *slot)
{
    bool ends = marks_ends();
    bool loop = slot->watch.is_loop || matters(CALL_read, 0, NULL, THREAD_RUNNING);
    atomic_store(&slot->reads, ends ? READS_ASK : loop ? READS_RECORDED : READS_PASS);
    atomic_store(&slot->armed, ends ? SLOT_MARKS_BOTH : SLOT_MARKS_ENTRY);
    uint32_t state = atomic_load(&life->thread_state);
    if ((state == THREAD_NONE && !watchdog_thread_start()) || state == THREAD_FORBIDDEN ||
        marks_ends() != ends) {
        atomic_store(&slot->armed, SLOT_DISARMED);
        atomic_store(&slot->reads, READS_ASK);
    }
}

/* Between the two a thread makes system calls of ours. False while another thread installs a filter
 * for all threads that would kill for these (doors/sandbox_doors.c). */
static bool begin_claim(void)
{
    atomic_fetch_add(&life->claiming, 1);
    if (!atomic_load(&life->claims_barred))
        return true;
    atomic_fetch_sub(&life->claiming, 1);
    return false;
}

static void end_claim(void)
{
    atomic_fetch_sub(&life->claiming, 1);
}

void slot_claim_after_wait(struct slot *slot)
{
    if (!slot_may_be_loop(slot) || atomic_load(&life->thread_state) != THREAD_RUNNING ||
        !begin_claim())
        return;
    slot->claimed_ns = clock_monotonic_ns();
    arm(slot);
    watchdog_thread_wake();
    end_claim();
}

void watchdog_claim(bool (*is_worth_it)(const void *context), const void *context)
{
    if (life_is_inert() || atomic_load(&life->thread_state) != THREAD_NONE || !late_start() ||
        !begin_claim())
        return;
    if ((!is_worth_it || is_worth_it(context)) && life_begin() &&
        atomic_load(&life->thread_state) == THREAD_NONE)
        watchdog_thread_start();
    end_claim();
}

static struct slot *claim(enum call_id call, int fd, uint64_t detail)
{
    if (!life_begin())
        return NULL;
    uint32_t state = atomic_load(&life->thread_state);
    if (atomic_load(&life->unreported))
        watchdog_thread_report();
    if (state == THREAD_FORBIDDEN)
        return NULL;
    int tid = (int)raw_syscall(SYS_gettid);
    if (tid == atomic_load(&life->watchdog_tid))
        return NULL;
    if (state == THREAD_NONE) {
        bool on_pipe;
        if (is_ready(call, fd, detail, &on_pipe) && may_come_early(on_pipe)) {
            if (on_pipe && call_describe(call)->class == CLASS_PIPE_WRITE && pairs_any_made())
                pairs_note_fed(fd);
            return NULL;
        }
        if (!watchdog_thread_start())
            return NULL;
    }
    struct slot *slot = thread_slot;
    if (slot->tid != tid) {
        slot = slot_take(tid);
        if (!slot)
            return NULL;
        slot_set_own(slot);
        if (tid == atomic_load(&life->pid))
            watchdog_note_first_thread();
    }
    slot->claimed_ns = clock_monotonic_ns();
    arm(slot);
    if (state == THREAD_RUNNING)
        watchdog_thread_wake();
    return slot;
}

static struct slot *claim_if_it_matters(enum call_id call, int fd, uint64_t detail,
                                        const uint64_t *wait)
{
    /* First what costs nothing. In a forked child all of `life` reads zero, and the first call goes
     * on. */
    uint32_t state = atomic_load(&life->thread_state);
    if (life_is_inert()) {
        if (life_never_begins())
            slots_let_pass();
        return NULL;
    }
    /* While there is no watchdog it is asked by system calls whether one is worth it; but by none
     * before the library has begun. */
    bool began = !life_is_postponed();
    bool asks = state == THREAD_NONE && began;
    if (!asks && !matters(call, detail, NULL, state)) {
        if (state == THREAD_RUNNING && call_describe(call)->class == CLASS_PIPE_READ)
            let_reads_pass();
        return NULL;
    }
    if (!late_start() || !begin_claim())
        return NULL;
    struct slot *slot =
        (began && !asks) || matters(call, detail, wait, state) ? claim(call, fd, detail) : NULL;
    end_claim();
    return slot;
}

struct slot *slot_claim(enum call_id call, int fd, uint64_t detail)
{
    return claim_if_it_matters(call, fd, detail, NULL);
}

struct slot *slot_claim_for_wait(enum call_id call, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    const uint64_t arguments[WAIT_ARGUMENTS] = {a, b, c, d};
    return claim_if_it_matters(call, -1, 0, arguments);
}
