// SPDX-License-Identifier: MIT
#include "drain/helper_process.h"

#include <errno.h>
#include <linux/memfd.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/thread_pointer.h"
#include "drain/descriptor.h"
#include "drain/dismissal.h"
#include "drain/helper.h"
#include "drain/helper_death.h"
#include "drain/helper_place.h"
#include "drain/send_order.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

#define HELPER_NAME "pipeshim-drain"

enum { OWN_CHILDREN = 1024 };

/* What the starter (below) is to do, and what came of it. In memory that it shares. */
struct request {
    int fd;
    bool send_order_is_known;
    bool stays_ours; /* the helper is to be this process's child */
    pid_t program;
    helper_prepare *prepare;
    void *context;
    volatile bool prepared, started;
    struct helper_memory memory;
};

static uint64_t object_size(void)
{
    return CHANNEL_HEADER + ((uint64_t)drain_limits.chunks << drain_limits.chunk_bits);
}

static bool failed(long result)
{
    return result < 0 && result > -4096;
}

/* The program's memory, copied on write, would stay with the helper: all but this library, the
 * stack and the queue goes. */
static void unmap_program(uintptr_t queue)
{
    extern const char __ehdr_start[] __attribute__((visibility("hidden")));
    extern const char _end[] __attribute__((visibility("hidden")));
    enum { AROUND_STACK = 256 * 1024, AROUND_THREAD = 8192, MARGIN = 65536, KEPT = 4 };
    uintptr_t thread = read_thread_pointer();
    uintptr_t stack = (uintptr_t)__builtin_frame_address(0);
    struct {
        uintptr_t from, to;
    } keep[KEPT] = {{(uintptr_t)__ehdr_start, (uintptr_t)_end},
                    {stack - AROUND_STACK, stack + MARGIN},
                    {queue, queue + object_size()},
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

static __attribute__((noreturn, noinline)) void helper_main(struct channel *channel, pid_t program)
{
    dismissal_begin();
    raw_syscall(SYS_prctl, PR_SET_TIMERSLACK, 1, 0, 0, 0);
    if (drain_limits.linger_ns > 0) {
        /* Write-behind: it must not take the processor from the writer whenever it wakes up. */
        struct sched_param none = {0};
        raw_syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &none);
    }
    raw_syscall(SYS_chdir, "/");
    helper_place_begin();
    unmap_program((uintptr_t)channel);
    helper_run(channel, (char *)channel + CHANNEL_HEADER, program);
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

/* In the helper: what ends the program, or its group, must not end it, and the program's next
 * child, or image, comes after it in the line. Only then is `settled` said. */
static __attribute__((noreturn)) void settle(const struct request *request, int object)
{
    long made = raw_syscall(SYS_mmap, 0, object_size(), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_NORESERVE, object, 0);
    if (failed(made))
        raw_syscall(SYS_exit_group, 1);
    struct channel *channel = (struct channel *)made;
    helper_death_begin(channel);
    raw_syscall(SYS_prctl, PR_SET_NAME, HELPER_NAME, 0, 0, 0);
    raw_syscall(SYS_setsid);
    keep_only(request->fd);
    atomic_store(&channel->ticket,
                 request->send_order_is_known ? send_order_draw(HELPER_FD) : SEND_ORDER_NONE);
    pid_t program = request->program;
    atomic_store(&channel->settled, 1);
    helper_main(channel, program);
}

/* A mapping of the object, which children do not inherit; NULL: none. */
static void *map_private_to_us(int object, uint64_t size, uint64_t offset)
{
    long made = raw_syscall(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                            object, offset);
    if (failed(made))
        return NULL;
    if (raw_syscall(SYS_madvise, made, size, MADV_DONTFORK) == 0)
        return (void *)made;
    raw_syscall(SYS_munmap, made, size);
    return NULL;
}

/* A descriptor that a kernel with vm.memfd_noexec gives as well. */
static int make_object(void)
{
    long made = raw_syscall(SYS_memfd_create, "pipeshim-drain", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
    if (made == -EINVAL)
        made = raw_syscall(SYS_memfd_create, "pipeshim-drain", MFD_CLOEXEC);
    if (made >= 0 && raw_syscall(SYS_ftruncate, made, object_size()) != 0)
        made = -ENOMEM;
    return (int)made;
}

/* No write is acknowledged before. False: it was killed. */
static bool wait_until_settled(struct channel *channel, long helper)
{
    enum { RETRY_NS = 20 * NS_PER_US };
    struct pollfd ended = {(int)raw_syscall(SYS_pidfd_open, helper, 0), POLLIN, 0};
    while (!atomic_load(&channel->settled)) {
        struct timespec moment = {0, RETRY_NS}; /* ppoll(2) leaves in it what was left */
        if (ended.fd < 0 ? raw_syscall(SYS_wait4, helper, 0, WNOHANG | __WCLONE, 0) != 0
                         : raw_syscall(SYS_ppoll, &ended, 1, &moment, 0, 8) == 1)
            return false;
        if (ended.fd < 0)
            raw_syscall(SYS_nanosleep, &moment, 0);
    }
    return true;
}

/* The starter: a process for a moment, with this process's memory and a table of descriptors of its
 * own, so that neither a descriptor of the object nor one of the helper's is ever seen in the
 * program's table. The thread that made it stands still meanwhile (CLONE_VFORK); it runs below that
 * thread's stack. */
__attribute__((used, noreturn, visibility("hidden"))) void helper_starter(struct request *request)
{
    int object = make_object();
    struct helper_memory made = {NULL, NULL, 1, 0};
    if (object >= 0)
        made.channel = map_private_to_us(object, CHANNEL_HEADER, 0);
    if (made.channel)
        made.chunks = map_private_to_us(object, chunk_size(), CHANNEL_HEADER);
    if (made.chunks && request->prepare)
        request->prepared = request->prepare(request->context, &made);
    if (made.chunks && request->prepared == (request->prepare != NULL)) {
        long helper = raw_syscall(SYS_clone, request->stays_ours ? CLONE_PARENT : 0, 0, 0, 0, 0);
        if (helper == 0)
            settle(request, object);
        request->started = helper > 0 && wait_until_settled(made.channel, helper);
        made.helper = request->started ? (pid_t)helper : 0;
    }
    request->memory = made;
    for (;;)
        raw_syscall(SYS_exit, 0);
}

/* Returns once: the child goes to helper_starter() and never comes back. Below the red zone. */
static long clone_starter(struct request *request)
{
    long result;
#if defined(__x86_64__)
    __asm__ volatile("mov %[request], %%rbx\n\t"
                     "xor %%esi, %%esi\n\txor %%edx, %%edx\n\txor %%r10d, %%r10d\n\t"
                     "xor %%r8d, %%r8d\n\tsyscall\n\t"
                     "test %%rax, %%rax\n\tjnz 1f\n\t"
                     "sub $512, %%rsp\n\tand $-64, %%rsp\n\t"
                     "mov %%rbx, %%rdi\n\tcall helper_starter\n\tud2\n"
                     "1:"
                     : "=a"(result)
                     : "a"(SYS_clone), "D"(CLONE_VM | CLONE_VFORK), [request] "r"(request)
                     : "rbx", "rcx", "rdx", "rsi", "r8", "r10", "r11", "memory", "cc");
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = SYS_clone;
    register long x0 __asm__("x0") = CLONE_VM | CLONE_VFORK;
    __asm__ volatile("mov x19, %[request]\n\t"
                     "mov x1, #0\n\tmov x2, #0\n\tmov x3, #0\n\tmov x4, #0\n\tsvc #0\n\t"
                     "cbnz x0, 1f\n\t"
                     "sub sp, sp, #512\n\tmov x0, x19\n\tbl helper_starter\n\tbrk #1\n"
                     "1:"
                     : "+r"(x0)
                     : "r"(x8), [request] "r"(request)
                     : "x1", "x2", "x3", "x4", "x19", "x30", "memory", "cc");
    result = x0;
#endif
    return result;
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

static _Atomic int32_t own_children[OWN_CHILDREN];
static _Atomic uint32_t own_children_bound;

void helpers_begin_in_child(void)
{
    for (uint32_t bound = atomic_load(&own_children_bound); bound > 0; bound--)
        atomic_store(&own_children[bound - 1], 0);
    atomic_store(&own_children_bound, 0);
}

void helpers_reap(void)
{
    uint32_t bound = atomic_load(&own_children_bound);
    for (uint32_t i = 0; i < bound; i++) {
        int32_t pid = atomic_load(&own_children[i]);
        if (pid != 0 && raw_syscall(SYS_wait4, pid, 0, WNOHANG | __WCLONE, 0) != 0)
            atomic_compare_exchange_strong(&own_children[i], &pid, 0);
    }
}

static void remember_own_child(int32_t pid)
{
    for (uint32_t i = 0; i < OWN_CHILDREN; i++) {
        int32_t none = 0;
        if (!atomic_compare_exchange_strong(&own_children[i], &none, pid))
            continue;
        if (i >= atomic_load(&own_children_bound))
            atomic_store(&own_children_bound, i + 1);
        return;
    }
}

static void unmap(struct helper_memory *memory)
{
    if (memory->channel)
        raw_syscall(SYS_munmap, memory->channel, CHANNEL_HEADER);
    if (memory->chunks)
        raw_syscall(SYS_munmap, memory->chunks, memory->mapped * chunk_size());
}

bool helper_start(int fd, struct helper_memory *memory, helper_prepare *prepare, void *context)
{
    struct request request = {.fd = fd,
                              .send_order_is_known = descriptor_send_order_is_known(),
                              .stays_ours = orphans_come_to_us(),
                              .program = (pid_t)raw_syscall(SYS_getpid),
                              .prepare = prepare,
                              .context = context};
    if (request.stays_ours)
        helpers_reap();
    long starter = clone_starter(&request);
    if (starter < 0)
        return false;
    while (raw_syscall(SYS_wait4, starter, 0, __WCLONE, 0) == -EINTR) {
    }
    *memory = request.memory;
    if (!request.started && !request.prepared) {
        unmap(memory);
        memory->channel = NULL;
    }
    if (request.started && request.stays_ours)
        remember_own_child(request.memory.helper);
    return request.started;
}

/* The name is compared: /proc may be that of another PID namespace, where the number is another's.
 */
bool helper_is_killed(int32_t helper)
{
    char text[512];
    struct stat_line stat;
    return helper > 0 && proc_read_of(helper, 0, "stat", text, sizeof text) > 0 &&
           parse_stat(text, &stat) && stat.killed && strcmp(stat.comm, HELPER_NAME) == 0;
}

void helper_wake(struct channel *channel)
{
    if (!atomic_load(&channel->sleeping))
        return;
    atomic_fetch_add(&channel->wake, 1);
    raw_syscall(SYS_futex, &channel->wake, FUTEX_WAKE, 1, 0, 0, 0);
}
