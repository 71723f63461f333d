// SPDX-License-Identifier: MIT
#include "kernel/task.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"

enum { FILE_LIMIT = 256 };

struct task_call task_read_call(int tid)
{
    char text[FILE_LIMIT];
    struct syscall_line line;
    struct task_call call = {.status = TASK_RUNNING, .number = -1};
    long size = proc_read_piece_of(0, tid, "syscall", text, sizeof text);
    if (size < 0) {
        call.status = size == -EACCES || size == -EPERM ? TASK_UNREADABLE
                      : proc_is_no_answer(size)         ? TASK_RUNNING
                                                        : TASK_GONE;
        return call;
    }
    if (!parse_syscall(text, &line) || line.running || !line.in_call)
        return call; /* on a CPU, or blocked outside of a call */
    call.number = line.number;
    memcpy(call.arguments, line.arguments, sizeof call.arguments);
    call.sp = line.stack_pointer;
    call.pc = line.program_counter;
    call.status = TASK_IN_CALL;
    return call;
}

bool task_schedule_ns(int tid, uint64_t *run_time, uint64_t *delay)
{
    char text[FILE_LIMIT];
    return proc_read_piece_of(0, tid, "schedstat", text, sizeof text) > 0 &&
           parse_schedstat(text, run_time, delay);
}

/* clock_getcpuclockid(3) of a thread: how the kernel reads a negative clock is part of its
 * interface (include/linux/posix-timers_types.h). Half a microsecond, where to open, read and close
 * a file takes five. */
uint64_t task_clock_ns(int tid)
{
    enum { PER_THREAD = 4, RUN_TIME = 2 };
    struct timespec time;
    if (raw_syscall(SYS_clock_gettime, (int)(~(unsigned)tid << 3 | PER_THREAD | RUN_TIME), &time))
        return 0;
    return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

uint64_t task_run_time_ns(int tid)
{
    uint64_t run_time = task_clock_ns(tid);
    uint64_t delay;
    if (run_time != 0)
        return run_time;
    return task_schedule_ns(tid, &run_time, &delay) ? run_time : 0;
}

void task_wait_channel(int tid, char *name, size_t capacity)
{
    if (proc_read_piece_of(0, tid, "wchan", name, capacity) <= 0 || strcmp(name, "0") == 0)
        name[0] = '\0';
}

bool task_wants_cpu(int tid)
{
    char text[128]; /* the state is the third field, after a name of at most 64 bytes */
    if (proc_read_start_of(tid, 0, "stat", text, sizeof text) <= 0)
        return false;
    const char *end_of_name = strrchr(text, ')');
    return end_of_name && strncmp(end_of_name, ") R", 3) == 0;
}

void task_name(int tid, char *name, size_t capacity)
{
    char text[COMM_LIMIT *
              2]; /* it has a newline more: Chromium's names are as long as they may be */
    long size = proc_read_piece_of(0, tid, "comm", text, sizeof text);
    size_t length = size > 0 ? (size_t)size : 0;
    if (length > 0 && text[length - 1] == '\n')
        length--;
    if (length > capacity - 1)
        length = capacity - 1;
    memcpy(name, text, length);
    name[length] = '\0';
}

int task_first_exit_status(void)
{
    enum { PATIENCE = 1000 };
    char stat[1024];
    struct stat_line line;
    uint64_t code = 0; /* field 52, as wait(2) gives it */
    struct timespec moment = {0, NS_PER_MS};
    /* On its way out a thread can be unreadable before it is a zombie and its status stands. */
    for (int tries = 0; tries < PATIENCE; tries++) {
        if (proc_read("/proc/self/stat", stat, sizeof stat) <= 0)
            return 0;
        parse_last_number(stat, &code);
        bool known = parse_stat(stat, &line);
        if (known && !line.exiting && line.state != 'Z' && line.state != 'X')
            return 0;
        if (code != 0 || !known || line.state == 'Z' || line.state == 'X')
            break;
        raw_syscall(SYS_nanosleep, &moment, 0);
    }
    return (int)(code >> 8 & 0xff);
}

/* Its error is how long the kernel asks the others: what the caller has used until it is asked in
 * its turn is taken for theirs. */
static uint64_t read_others_time(uint64_t *error_ns)
{
    uint64_t own = clock_read_ns(CLOCK_THREAD_CPUTIME_ID); /* first: the rest is never too little */
    uint64_t process = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);
    *error_ns = clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - own;
    return process - own;
}

enum { AGREE_NS = TASK_NOTHING_RAN_NS / 2 };

static bool agree(uint64_t a, uint64_t b)
{
    return (a > b ? a - b : b - a) < AGREE_NS;
}

/* The kernel reckons the caller's time up to the moment when it begins to ask
 * (thread_group_cputime() of sched/cputime.c), so that what is read is too much only if a
 * timer interrupt came in between; two that agree had none. */
uint64_t task_others_time_ns(uint64_t known_ns, uint64_t *error_ns)
{
    uint64_t error;
    uint64_t time = read_others_time(error_ns);
    if (*error_ns < AGREE_NS)
        return time;
    uint64_t other = known_ns;
    if (!agree(time, known_ns)) {
        other = read_others_time(&error);
        if (!agree(time, other)) {
            bool better = error < *error_ns;
            *error_ns = better ? error : *error_ns;
            return better ? other : time;
        }
    }
    *error_ns = AGREE_NS;
    return time < other ? time : other;
}

unsigned task_count(void)
{
    enum { LINKS_OF_A_DIRECTORY = 2 };
    struct statx folder = {0};
    if (raw_syscall(SYS_statx, AT_FDCWD, "/proc/self/task", 0, STATX_NLINK, &folder) < 0 ||
        folder.stx_nlink <= LINKS_OF_A_DIRECTORY)
        return 0;
    return folder.stx_nlink - LINKS_OF_A_DIRECTORY;
}

void task_for_each(bool (*visit)(int tid, void *context), void *context)
{
    static struct directory threads; /* child: scratch */
    int tid;
    if (directory_open(&threads, "/proc/self/task") != 0)
        return;
    while (directory_next_number(&threads, &tid, NULL) && visit(tid, context))
        ;
    directory_close(&threads);
}
