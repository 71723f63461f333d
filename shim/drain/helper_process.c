// SPDX-License-Identifier: MIT
/* How a helper process comes to be, and what it leaves behind. */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/thread_pointer.h"
#include "drain/descriptor.h"
#include "drain/dismissal.h"
#include "drain/helper.h"
#include "drain/stream.h"
#include "drain/survival.h"
#include "drain/turn.h"

enum { CPU_MASK_WORDS = 128 };

/* The program's memory, copied on write, would stay with the helper: all but this library, the
 * stack and the queue goes. */
static void unmap_program(void)
{
    extern const char __ehdr_start[] __attribute__((visibility("hidden")));
    extern const char _end[] __attribute__((visibility("hidden")));
    enum { AROUND_STACK = 256 * 1024, AROUND_THREAD = 8192, MARGIN = 65536, KEPT = 4 };
    uintptr_t thread = read_thread_pointer();
    uintptr_t stack = (uintptr_t)__builtin_frame_address(0);
    uintptr_t queue = (uintptr_t)drain_memory;
    uintptr_t queue_end = queue + HEADER_ROOM + drain_memory->ring_size * STREAM_LIMIT;
    struct {
        uintptr_t from, to;
    } keep[KEPT] = {{(uintptr_t)__ehdr_start, (uintptr_t)_end},
                    {stack - AROUND_STACK, stack + MARGIN},
                    {queue, queue_end},
                    /* The kernel writes to the thread's rseq area, which libc keeps here. */
                    {thread - AROUND_THREAD, thread + AROUND_THREAD}};
    for (int i = 0; i < KEPT; i++)
        for (int k = i + 1; k < KEPT; k++)
            if (keep[k].from < keep[i].from) {
                uintptr_t from = keep[i].from;
                uintptr_t to = keep[i].to;
                keep[i] = keep[k];
                keep[k].from = from;
                keep[k].to = to;
            }
    uintptr_t at = MARGIN;
    for (int i = 0; i <= KEPT; i++) {
        uintptr_t end = i < KEPT ? keep[i].from & ~(uintptr_t)(MARGIN - 1) : (uintptr_t)1 << 46;
        if (end > at)
            raw_syscall(SYS_munmap, at, end - at);
        if (i < KEPT && keep[i].to > at)
            at = (keep[i].to + MARGIN - 1) & ~(uintptr_t)(MARGIN - 1);
    }
}

static __attribute__((noreturn, noinline)) void helper_main(struct stream *stream)
{
    dismissal_begin();
    raw_syscall(SYS_prctl, PR_SET_NAME, "pipeshim-drain", 0, 0, 0);
    raw_syscall(SYS_prctl, PR_SET_TIMERSLACK, 1, 0, 0, 0);
    if (drain_memory->linger_ns > 0) {
        /* Write-behind: it must not take the processor from the writer whenever it wakes up. */
        struct sched_param none = {0};
        raw_syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &none);
    }
    raw_syscall(SYS_chdir, "/");
    /* Not on the one core that the thread which started it may be bound to: it would take turns
     * with the program. The kernel keeps it inside its cpuset. */
    uint64_t cpus[CPU_MASK_WORDS];
    for (int i = 0; i < CPU_MASK_WORDS; i++)
        cpus[i] = ~0ULL;
    raw_syscall(SYS_sched_setaffinity, 0, sizeof cpus, cpus);
    unmap_program();
    helper_run(stream);
    for (;;)
        raw_syscall(SYS_exit_group, 0);
}

static void keep_only(int fd)
{
    enum { FD_BOUND = 65536 };
    if (fd != HELPER_FD)
        raw_syscall(SYS_dup3, fd, HELPER_FD, 0);
    if (raw_syscall(SYS_close_range, HELPER_FD + 1, ~0U, 0) != 0)
        for (int other = HELPER_FD + 1; other < FD_BOUND; other++)
            raw_syscall(SYS_close, other);
}

static long clone_process(void)
{
    return raw_syscall(SYS_clone, 0, 0, 0, 0, 0);
}

void helper_wake(struct stream *stream)
{
    atomic_fetch_add(&stream->wake, 1);
    raw_syscall(SYS_futex, &stream->wake, FUTEX_WAKE, 1, 0, 0, 0);
}

/* An orphan becomes a child of init, or of a subreaper. If that is the program itself (the first
 * process of a container is), its wait() would return a process that it does not know: there the
 * helper stays our child, which without an exit signal only __WCLONE sees, and is waited for when
 * it has ended. */
static bool orphans_come_to_us(void)
{
    int reaper = 0;
    raw_syscall(SYS_prctl, PR_GET_CHILD_SUBREAPER, &reaper, 0, 0, 0);
    return reaper || raw_syscall(SYS_getpid) == 1;
}

static _Atomic int32_t own_children[STREAM_LIMIT];

void helpers_begin_in_child(void)
{
    for (int i = 0; i < STREAM_LIMIT; i++)
        atomic_store(&own_children[i], 0);
}

void helpers_reap(void)
{
    for (int i = 0; i < STREAM_LIMIT; i++) {
        int32_t pid = atomic_load(&own_children[i]);
        if (pid != 0 && raw_syscall(SYS_wait4, pid, 0, WNOHANG | __WCLONE, 0) != 0)
            atomic_compare_exchange_strong(&own_children[i], &pid, 0);
    }
}

/* In the helper: what ends the program, or its group, must not end it, and the program's next
 * child, or image, comes after it in the line. */
static void settle(struct stream *stream, int fd, bool turns_are_known)
{
    survival_begin(stream);
    raw_syscall(SYS_setsid);
    keep_only(fd);
    atomic_store(&stream->ticket, turns_are_known ? turn_draw(HELPER_FD) : TURN_NONE);
    atomic_store(&stream->joined, 1);
}

/* In its parent: no write is acknowledged before. False: it was killed. */
static bool wait_until_settled(struct stream *stream, long helper)
{
    enum { LOOK_AGAIN_NS = 20 * NS_PER_US };
    struct timespec moment = {0, LOOK_AGAIN_NS};
    while (!atomic_load(&stream->joined)) {
        if (raw_syscall(SYS_wait4, helper, 0, WNOHANG | __WCLONE, 0) != 0)
            return false;
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
    return true;
}

static bool start_own_child(struct stream *stream, int fd, bool turns_are_known)
{
    helpers_reap();
    long child = clone_process();
    if (child == 0) {
        settle(stream, fd, turns_are_known);
        helper_main(stream);
    }
    if (child < 0 || !wait_until_settled(stream, child))
        return false;
    for (int i = 0; i < STREAM_LIMIT; i++) {
        int32_t none = 0;
        if (atomic_compare_exchange_strong(&own_children[i], &none, (int32_t)child))
            break;
    }
    return true;
}

static bool start_orphan(struct stream *stream, int fd, bool turns_are_known)
{
    long child = clone_process();
    if (child == 0) {
        long helper = clone_process();
        if (helper == 0) {
            settle(stream, fd, turns_are_known);
            helper_main(stream);
        }
        bool settled = helper > 0 && wait_until_settled(stream, helper);
        for (;;)
            raw_syscall(SYS_exit_group, settled ? 0 : 1);
    }
    int status = 1 << 8;
    if (child > 0)
        while (raw_syscall(SYS_wait4, child, &status, __WCLONE, 0) == -EINTR) {
        }
    return child > 0 && status == 0;
}

bool helper_start(struct stream *stream, int fd)
{
    bool turns_are_known = descriptor_turns_are_known();
    uint64_t all = ~0ULL;
    uint64_t before = 0;
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    atomic_store(&stream->in_flight, 0);
    atomic_store(&stream->let_go, 0);
    atomic_store(&stream->joined, 0);
    atomic_store(&stream->keeper, 0);
    atomic_store(&stream->reader_is_quick, 0);
    atomic_store(&stream->catching_up, 0);
    atomic_store(&stream->state, HELPER_RUNS);
    atomic_fetch_add(&drain_memory->active, 1);
    bool started = orphans_come_to_us() ? start_own_child(stream, fd, turns_are_known)
                                        : start_orphan(stream, fd, turns_are_known);
    if (!started) {
        atomic_fetch_sub(&drain_memory->active, 1);
        atomic_store(&stream->state, HELPER_NONE);
    }
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
    return started;
}
