// SPDX-License-Identifier: MIT
#include "report/log_writer.h"

#include <errno.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/clone_on_stack.h"
#include "kernel/short_process.h"
#include "kernel/task.h"
#include "report/log_path.h"
#include "report/log_queue.h"

enum {
    STACK_SIZE = 64 * 1024,
    NOTICE_LIMIT = 6000,    /* a path in which every byte is shown as one, and what is said of it */
    ABOVE_TOP = 64,         /* valgrind wants the first stack pointer inside the mapping */
    GUARD_SIZE = 64 * 1024, /* a multiple of every page size in use */
};

/* Who does what: the writer leaves only by the step from RUNS to NONE, and what is added to the
 * queue makes AGAIN of RUNS first, so that it looks once more. */
enum { WRITER_NONE, WRITER_RUNS, WRITER_AGAIN };

static _Atomic uint32_t state;
static _Atomic int32_t writer_tid; /* cleared by the kernel when it is gone */
static int32_t to_reap;            /* a writer that has not been waited for; 0: none */
static int to_close = -1;          /* what it was lent in the fd table of `lender`, a watchdog */
static int32_t lender;             /* its tid */
static _Atomic long open_error;
static _Atomic long write_error; /* of the last write, while nothing has been written */
static _Atomic bool has_written;
static char *stack; /* made once; child: kept, its own copy */

/* What the writer has to do: set while there is none. child: scratch */
static struct {
    int fd; /* in the fd table of who made it; -1: it opens `path` */
    char path[LOG_PATH_LIMIT];
    bool is_notice; /* the queue is not for `fd` */
    char notice[NOTICE_LIMIT];
    size_t notice_size; /* still to be written */
} job;

static void write_notice(void)
{
    struct iovec piece = {job.notice, job.notice_size};
    if (job.notice_size > 0)
        raw_syscall(SYS_pwritev2, job.fd, &piece, 1, -1L, -1L, 0);
    job.notice_size = 0;
}

static void move_queue(void)
{
    struct iovec pieces[2];
    int count = log_queue_peek(pieces);
    if (count == 0)
        return;
    long fd = job.fd >= 0 ? job.fd : log_path_open(job.path);
    atomic_store(&open_error, fd < 0 ? fd : 0);
    while (fd >= 0 && count > 0) {
        long written = raw_syscall(SYS_pwritev2, fd, pieces, count, -1L, -1L, 0);
        if (written > 0)
            atomic_store(&has_written, true);
        atomic_store(&write_error, written < 0 && !atomic_load(&has_written) ? written : 0);
        if (written <= 0)
            break; /* a full disk, a FIFO that is not read: it stays queued */
        log_queue_taken((size_t)written);
        count = log_queue_peek(pieces);
    }
    if (fd >= 0 && job.fd < 0)
        raw_syscall(SYS_close, fd);
}

static void close_range_slowly(unsigned first, unsigned last)
{
    enum { FD_BOUND = 65536 };
    for (unsigned fd = first; fd < FD_BOUND && fd <= last; fd++)
        raw_syscall(SYS_close, fd);
}

/* Leaves the fd table of who made it with a copy of `keep` alone (-1: of none): a pipe of the
 * program must not stay open for a hung disk. */
static void leave_fd_table(int keep)
{
    unsigned above = (unsigned)(keep + 1);
    if (raw_syscall(SYS_close_range, above, ~0U, CLOSE_RANGE_UNSHARE) != 0) {
        if (raw_syscall(SYS_unshare, CLONE_FILES) != 0)
            return; /* it is the program's table still: nothing may be closed */
        close_range_slowly(above, ~0U);
    }
    if (keep > 0 && raw_syscall(SYS_close_range, 0, keep - 1, 0) != 0)
        close_range_slowly(0, (unsigned)keep - 1);
}

/* A service that is stopped must not wait for it. All else that its group is sent is blocked. */
static void allow_sigterm(void)
{
    struct {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)(void);
        uint64_t mask;
    } standard = {0};
    const uint64_t sigterm = 1ULL << (SIGTERM - 1);
    raw_syscall(SYS_rt_sigaction, SIGTERM, &standard, 0, sizeof standard.mask);
    raw_syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &sigterm, 0, sizeof sigterm);
}

static int writer_main(void)
{
    leave_fd_table(job.fd);
    raw_syscall(SYS_prctl, PR_SET_NAME, "pipeshim-log", 0, 0, 0);
    allow_sigterm();
    uint32_t runs;
    do {
        atomic_store(&state, WRITER_RUNS);
        if (job.is_notice)
            write_notice();
        else
            move_queue();
        runs = WRITER_RUNS;
    } while (!atomic_compare_exchange_strong(&state, &runs, WRITER_NONE));
    return 0;
}

static bool make_stack(void)
{
    if (stack)
        return true;
    long made = raw_syscall(SYS_mmap, 0, GUARD_SIZE + STACK_SIZE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made < 0 && made > -4096)
        return false;
    raw_syscall(SYS_mprotect, made, GUARD_SIZE, PROT_NONE);
    stack = (char *)made;
    return true;
}

/* Not by a thread of the program: by that number it has a descriptor of its own, stdout as a rule,
 * and exit() has yet to flush it. A watchdog's table ends with it. */
static void close_lent(void)
{
    if (to_close < 0 || (int32_t)raw_syscall(SYS_gettid) != lender)
        return;
    raw_syscall(SYS_close, to_close);
    to_close = -1;
}

void log_writer_reap(void)
{
    if (atomic_load(&writer_tid) != 0 ||
        (to_reap != 0 && raw_syscall(SYS_wait4, to_reap, 0, WNOHANG | __WCLONE, 0) == 0))
        return;
    to_reap = 0;
    close_lent();
}

bool log_writer_is_out(void)
{
    return to_reap != 0;
}

/* True when the last writer is no more: its stack is free. It needs no file system for that. */
static bool is_gone(uint64_t deadline)
{
    int32_t tid;
    while ((tid = atomic_load(&writer_tid)) != 0) {
        uint64_t now = clock_monotonic_ns();
        if (now >= deadline)
            return false;
        struct timespec rest = {(time_t)((deadline - now) / NS_PER_S),
                                (long)((deadline - now) % NS_PER_S)};
        raw_syscall(SYS_futex, &writer_tid, FUTEX_WAIT, tid, &rest);
    }
    log_writer_reap();
    return true;
}

static bool prepare_job(const struct program_fd *fd, bool own_fd_table)
{
    job.fd = -1;
    job.is_notice = false;
    if (fd) {
        job.fd = (int)program_fd_get(fd, own_fd_table);
        return job.fd >= 0;
    }
    if (log_path_of((int)raw_syscall(SYS_getpid), job.path))
        return true;
    atomic_store(&open_error, -ENAMETOOLONG);
    return false;
}

static bool clone_writer(void)
{
    uint64_t all = ~0ULL;
    uint64_t before = 0;
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    long made = clone_on_stack(SHORT_PROCESS_FLAGS, stack + GUARD_SIZE + STACK_SIZE - ABOVE_TOP,
                               &writer_tid, 0, writer_main);
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
    if (made > 0)
        to_reap = (int32_t)made;
    return made > 0;
}

static bool make_writer(bool own_fd_table)
{
    atomic_store(&state, WRITER_RUNS);
    bool made = make_stack() && clone_writer();
    if (own_fd_table) {
        to_close = job.fd;
        lender = (int32_t)raw_syscall(SYS_gettid);
    }
    if (!made)
        atomic_store(&state, WRITER_NONE);
    return made;
}

bool log_writer_start(const struct program_fd *fd, bool own_fd_table)
{
    enum { LAST_STEP_NS = 5 * NS_PER_MS };
    uint32_t before = atomic_exchange(&state, WRITER_AGAIN);
    if (before != WRITER_NONE && atomic_load(&writer_tid) != 0)
        return true;
    atomic_store(&state, WRITER_NONE);
    /* One that is no thread any more may be no zombie yet, and is not to be forgotten. */
    if (!is_gone(clock_monotonic_ns() + LAST_STEP_NS) || to_reap != 0 ||
        !prepare_job(fd, own_fd_table))
        return true; /* for the next time */
    return make_writer(own_fd_table);
}

bool log_writer_say(const struct program_fd *fd, const char *line, size_t size, bool own_fd_table)
{
    if (atomic_load(&state) != WRITER_NONE || !is_gone(0) || to_reap != 0)
        return false;
    if (size > NOTICE_LIMIT || !prepare_job(fd, own_fd_table))
        return true;
    memcpy(job.notice, line, size);
    job.notice_size = size;
    job.is_notice = true;
    make_writer(own_fd_table);
    return true;
}

bool log_writer_wait(uint64_t deadline)
{
    enum { STARVED_FOR_NS = 2 * (uint64_t)NS_PER_S, MOMENT_NS = 20 * NS_PER_MS };
    uint64_t last = deadline + STARVED_FOR_NS;
    int32_t pid;
    while (!is_gone(deadline)) {
        if ((pid = atomic_load(&writer_tid)) == 0)
            continue;
        if (!task_wants_cpu(pid) || deadline >= last)
            return false;
        deadline = clock_monotonic_ns() + MOMENT_NS;
    }
    /* It may be a zombie in a moment only. */
    while (to_reap != 0 && clock_monotonic_ns() < last) {
        raw_syscall(SYS_sched_yield);
        log_writer_reap();
    }
    return true;
}

long log_writer_error(void)
{
    return atomic_load(&writer_tid) == 0 ? atomic_load(&open_error) : 0;
}

long log_writer_refusal(void)
{
    long error = atomic_load(&writer_tid) == 0 ? atomic_load(&write_error) : 0;
    return error == -EAGAIN || error == -EINTR ? 0 : error;
}

void log_writer_stop(void)
{
    enum { PATIENCE_NS = 50 * NS_PER_MS };
    int32_t pid = atomic_load(&writer_tid);
    if (pid == 0 || log_writer_wait(clock_monotonic_ns() + PATIENCE_NS))
        return;
    raw_syscall(SYS_kill, pid, SIGKILL);
}

void log_writer_begin_in_child(void)
{
    atomic_store(&state, WRITER_NONE);
    atomic_store(&writer_tid, 0);
    to_reap = 0;
    to_close = -1;
    lender = 0;
    atomic_store(&open_error, 0);
    atomic_store(&write_error, 0);
    atomic_store(&has_written, false);
}

bool log_writer_write_here(const struct program_fd *fd, bool own_fd_table)
{
    if (!prepare_job(fd, own_fd_table))
        return false;
    move_queue();
    if (job.fd >= 0 && own_fd_table)
        raw_syscall(SYS_close, job.fd);
    return log_queue_size() == 0;
}
