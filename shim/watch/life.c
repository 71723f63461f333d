// SPDX-License-Identifier: MIT
#include "watch/life.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "doors/drain_doors.h"
#include "doors/real.h"
#include "doors/slot.h"
#include "doors/stdio_jumps.h"
#include "explain/unwinder.h"
#include "report/tell.h"
#include "watch/judge.h"
#include "watch/lag.h"
#include "watch/python_frames.h"
#include "watch/seccomp.h"
#include "watch/thread.h"

/* Stands for "not active" until the constructor has run, and for ever where the library is inert.
 */
static struct life before;
struct life *life = &before;
struct settings settings;
static _Atomic bool active;

bool life_active(void)
{
    return atomic_load_explicit(&active, memory_order_acquire);
}

void life_go_inert(void)
{
    atomic_store(&active, false);
}

bool life_begin(void)
{
    int32_t pid = (int32_t)raw_syscall(SYS_getpid);
    int32_t begun = atomic_load(&life->pid);
    if (begun != 0)
        return begun == pid;
    if (atomic_compare_exchange_strong(&life->pid, &begun, pid)) {
        /* A forked child: all of `life` was wiped, what report/ and explain/ remember was not. */
        unwinder_after_fork();
        tell_begin_in_child();
    }
    return true;
}

bool life_reporting_begin(unsigned patience_ms)
{
    uint64_t deadline = clock_monotonic_ns() + (uint64_t)patience_ms * NS_PER_MS;
    for (;;) {
        uint32_t free = 0;
        if (atomic_compare_exchange_strong(&life->reporting, &free, 1))
            return true;
        if (clock_monotonic_ns() >= deadline)
            return false;
        struct timespec moment = {0, NS_PER_MS / 10};
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
}

void life_reporting_end(void)
{
    atomic_store(&life->reporting, 0);
}

void life_finish(void)
{
    enum { PATIENCE_MS = 50 };
    uint32_t unfinished = 0;
    /* A forked child that made no call has nothing to say; a vfork child must not speak. */
    if (!life_active() || atomic_load(&life->pid) != (int32_t)raw_syscall(SYS_getpid))
        return;
    if (!atomic_compare_exchange_strong(&life->finished, &unfinished, 1))
        return;
    judge_end_all();
    lag_end_all();
    judge_wait_for_ends();
    if (life_reporting_begin(PATIENCE_MS)) {
        tell_summary();
        life_reporting_end();
    }
}

static struct life *make_life(void)
{
    size_t size = sizeof(struct life) + SLOT_LIMIT / 8;
    long made =
        raw_syscall(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made < 0 && made > -4096)
        return NULL;
    if (raw_syscall(SYS_madvise, made, size, MADV_WIPEONFORK) != 0) {
        raw_syscall(SYS_munmap, made, size);
        return NULL;
    }
    return (struct life *)made;
}

/* What `start` says of Python: looked for where the name promises one, for it takes 100 us.
 * Elsewhere the first report looks. */
static const char *find_python(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');
    struct memory_reader memory = memory_reader_process((int)raw_syscall(SYS_getpid));
    if (strncmp(slash ? slash + 1 : argv0, "python", 6) != 0 || !settings.number[SETTING_PYTHON] ||
        seccomp_filter_in_force())
        return NULL;
    return python_frames_begin(&memory);
}

static void begin_here(const char *argv0, char **environment)
{
    bool secure = getauxval(AT_SECURE) != 0;
    tell_prepare(argv0, environment, secure, &settings);
    real_resolve_all();
    if (!settings_are_active(&settings))
        return;
    struct life *made = make_life();
    if (!made) {
        tell_line("this kernel has no MADV_WIPEONFORK; expected Linux 4.14 or later; this process "
                  "is not watched");
        return;
    }
    life = made;
    drain_doors_install();
    bool libunwind = settings_stack_depth(&settings) != 0 && unwinder_init();
    const char *no_stdio =
        settings.number[SETTING_STDIO] ? stdio_jumps_install() : "PIPESHIM_STDIO=off";
    atomic_store(&life->pid, (int32_t)raw_syscall(SYS_getpid));
    tell_start(libunwind, no_stdio, find_python(argv0));
    atomic_store_explicit(&active, true, memory_order_release);
}

/* glibc passes main's arguments to constructors; the environment is taken from there because a
 * program may export a getenv of its own (bash does) that is not ready yet. */
__attribute__((constructor)) static void begin(int argc, char **argv, char **environment)
{
    int saved_errno = errno; /* programs look at errno without having set it to 0 */
    begin_here(argc > 0 ? argv[0] : "", environment);
    errno = saved_errno;
}

__attribute__((destructor)) static void end(void)
{
    drain_doors_finish(true);
    life_finish();
}
