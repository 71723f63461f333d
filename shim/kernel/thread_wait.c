// SPDX-License-Identifier: MIT
#include "kernel/thread_wait.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "base/raw_syscall.h"
#include "kernel/memory_reader.h"
#include "kernel/own_threads.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"
#include "kernel/status.h"

/* A process of another word size has other system call numbers. Its stack is below 4 GiB; that of a
 * 64-bit process is at the top of its address space. */
static bool is_32_bit(const struct syscall_line *line)
{
    return line->stack_pointer != 0 && line->stack_pointer <= UINT32_MAX;
}

static void set_call(struct thread_wait *wait, long number, const uint64_t arguments[6])
{
    wait->call_known = true;
    wait->number = number;
    memcpy(wait->arguments, arguments, sizeof wait->arguments);
    wait->call = call_description(number);
    wait->kind = wait->call ? wait->call->kind : WAIT_OTHER;
    if (wait->call && wait->call->fd_argument >= 0)
        wait->fd = (int)arguments[wait->call->fd_argument];
}

static bool read_call(int pid, int tid, struct thread_wait *wait)
{
    char text[256];
    struct syscall_line line;
    long size = proc_read_of(pid, tid, "syscall", text, sizeof text);
    wait->refused = size == -EPERM || size == -EACCES;
    if (size <= 0 || !parse_syscall(text, &line))
        return false;
    if (line.running || !line.in_call) {
        wait->kind = WAIT_NONE;
        return true;
    }
    if (is_32_bit(&line))
        return false;
    set_call(wait, line.number, line.arguments);
    return true;
}

static void read_wchan(int pid, int tid, struct thread_wait *wait)
{
    char wchan[64];
    long length = proc_read_of(pid, tid, "wchan", wchan, sizeof wchan);
    /* "0" is also what a process gets that may not know. */
    if (length <= 0 || strcmp(wchan, "0") == 0)
        wait->kind = wait->state == 'R' ? WAIT_NONE : WAIT_UNKNOWN;
    else
        wait->kind = wait_kind_of_wchan(wchan);
}

static void begin(struct thread_wait *wait)
{
    memset(wait, 0, sizeof *wait);
    wait->fd = -1;
    wait->kind = WAIT_UNKNOWN;
}

/* Of a thread of this process that has not run since it was read. Unless that is trusted, what it
 * sleeps in is read again, for it may have been woken. (The first thread gives the process its
 * name, which others may change.) */
static bool read_again(int pid, int tid, struct thread_wait *wait)
{
    struct thread_facts facts;
    struct task_call call;
    begin(wait);
    if (tid == pid)
        return false;
    if (own_thread_slept_in(pid, tid, &facts, &call))
        set_call(wait, call.number, call.arguments);
    else if (!own_thread_facts(pid, tid, &facts) || !read_call(pid, tid, wait) || !wait->call_known)
        return false;
    wait->state = facts.state;
    memcpy(wait->comm, facts.comm, sizeof wait->comm);
    wait->switches = facts.switches;
    wait->switches_known = true;
    return true;
}

static void note(int tid, uint64_t clock, const struct thread_wait *wait)
{
    struct thread_facts facts = {.state = wait->state, .switches = wait->switches};
    memcpy(facts.comm, wait->comm, sizeof facts.comm);
    if (wait->state == 'S' && wait->switches_known && wait->call_known)
        own_thread_note(tid, clock, &facts);
}

static bool read_all(int pid, int tid, struct thread_wait *wait)
{
    char text[1024];
    struct stat_line stat;
    begin(wait);
    long size = proc_read_of(pid, tid, "stat", text, sizeof text);
    if (proc_is_no_answer(size))
        return true;
    if (size <= 0 || !parse_stat(text, &stat))
        return false;
    wait->state = stat.state;
    memcpy(wait->comm, stat.comm, sizeof wait->comm);
    struct status_field switches = {.name = "voluntary_ctxt_switches", .base = 10};
    wait->switches_known = status_read(pid, tid, &switches, 1);
    wait->switches = switches.value;

    switch (stat.state) {
    case 'Z':
    case 'X':
        wait->kind = WAIT_ZOMBIE;
        return true;
    case 'R':
        wait->kind = WAIT_NONE;
        return true;
    case 'T':
    case 't':
        read_call(pid, tid, wait); /* for the words: what it was stopped in */
        wait->kind = WAIT_STOPPED;
        return true;
    default:
        if (!read_call(pid, tid, wait))
            read_wchan(pid, tid, wait);
        return true;
    }
}

bool thread_wait_read(int pid, int tid, struct thread_wait *wait)
{
    if (read_again(pid, tid, wait))
        return true;
    uint64_t clock = own_thread_clock(pid, tid);
    if (!read_all(pid, tid, wait))
        return false;
    note(tid, clock, wait);
    return true;
}

int thread_wait_child(const struct thread_wait *wait, int *pidfd)
{
    if (!wait->call_known)
        return CHILD_UNKNOWN;
    int id = (int)wait->arguments[wait->number == SYS_wait4 ? 0 : 1];
    if (wait->number == SYS_wait4)
        return id > 0 ? id : id == -1 ? 0 : id == 0 ? CHILD_UNKNOWN : id;
    switch ((idtype_t)wait->arguments[0]) {
    case P_PID:
        return id;
    case P_ALL:
        return 0;
    case P_PGID:
        return id == 0 ? CHILD_UNKNOWN : -id;
    case P_PIDFD:
        *pidfd = id;
        return CHILD_BY_DESCRIPTOR;
    default:
        return CHILD_UNKNOWN;
    }
}

static const char *kind_words(enum wait_kind kind)
{
    switch (kind) {
    case WAIT_NONE:
        return "running";
    case WAIT_READ:
        return "read";
    case WAIT_WRITE:
        return "write";
    case WAIT_POLL:
    case WAIT_SELECT:
        return "poll";
    case WAIT_EPOLL:
        return "epoll_wait";
    case WAIT_CHILD:
        return "wait for a child";
    case WAIT_LOCK:
        return "file lock";
    case WAIT_FUTEX:
        return "futex";
    case WAIT_SLEEP:
        return "sleep";
    case WAIT_SIGNAL:
        return "wait for a signal";
    case WAIT_ACCEPT:
        return "accept";
    case WAIT_CONNECT:
        return "connect";
    case WAIT_OPEN:
        return "open";
    case WAIT_STOPPED:
        return "stopped";
    case WAIT_ZOMBIE:
        return "zombie";
    case WAIT_OTHER:
    case WAIT_UNKNOWN:
        break;
    }
    return "";
}

static void child_words(const struct thread_wait *wait, struct text_buffer *text)
{
    int pidfd = -1;
    int child = thread_wait_child(wait, &pidfd);
    if (child == CHILD_BY_DESCRIPTOR) {
        text_format(text, " pidfd %d", pidfd);
    } else if (child == 0) {
        text_string(text, " any child");
    } else if (child > 0) {
        text_format(text, " %d", child);
    } else if (child != CHILD_UNKNOWN) {
        text_format(text, " group %ld", -(int64_t)child);
    }
}

static void call_words(const struct thread_wait *wait, struct text_buffer *text)
{
    if (!wait->call) {
        text_format(text, "system call %ld", wait->number);
        return;
    }
    text_string(text, wait->call->words[0] ? wait->call->words : wait->call->name);
    if (wait->call->kind == WAIT_CHILD) {
        child_words(wait, text);
    } else if (wait->call->kind == WAIT_POLL) {
        text_format(text, " %u%s", (uint32_t)wait->arguments[1],
                    wait->arguments[1] == 1 ? " fd" : " fds");
    } else if (wait->fd >= 0) {
        text_format(text, " fd %d", wait->fd);
    }
}

void thread_wait_words(const struct thread_wait *wait, struct text_buffer *text)
{
    if (wait->kind == WAIT_STOPPED) {
        text_string(text, wait->state == 't' ? "stopped by a tracer" : "stopped");
        if (wait->call_known) {
            text_string(text, " in ");
            call_words(wait, text);
        }
    } else if (wait->call_known && wait->kind != WAIT_NONE) {
        call_words(wait, text);
    } else {
        text_string(text, kind_words(wait->kind));
    }
}

static int64_t milliseconds(int64_t seconds, int64_t nanoseconds)
{
    if (seconds < 0)
        return 0;
    return seconds > INT64_MAX / 2000 ? INT64_MAX : seconds * 1000 + nanoseconds / 1000000;
}

/* What is left until an absolute time of a clock. */
static int64_t milliseconds_until(const struct timespec *then, int clock)
{
    struct timespec now = {0};
    if (raw_syscall(SYS_clock_gettime, clock, &now) < 0)
        return 0;
    int64_t end = milliseconds(then->tv_sec, then->tv_nsec);
    int64_t left = end == INT64_MAX ? end : end - milliseconds(now.tv_sec, now.tv_nsec);
    return left < 0 ? 0 : left;
}

int64_t thread_wait_limit_ms(const struct thread_wait *wait, int pid, bool memory_allowed)
{
    const struct call_description *call = wait->call;
    if (!wait->call_known || !call)
        return wait->kind == WAIT_SLEEP || wait->kind == WAIT_UNKNOWN ? 0 : INT64_MAX;
    if (call->number == SYS_restart_syscall) /* a sleep or a timed wait that a signal cut */
        return 0;
    if (call->timeout == TIMEOUT_NONE)
        return INT64_MAX;
    uint64_t argument = wait->arguments[call->timeout_argument];
    if (call->timeout == TIMEOUT_MILLISECONDS)
        return (int)argument < 0 ? INT64_MAX : (int)argument;
    if (argument == 0)
        return INT64_MAX;

    struct timespec time;
    struct memory_reader memory = memory_reader_process(pid);
    if (!memory_allowed || !memory_read(&memory, argument, &time, sizeof time))
        return 0;
    if (call->timeout == TIMEOUT_TIMEVAL)
        return milliseconds(time.tv_sec, (int64_t)time.tv_nsec * 1000);
    if (call->timeout == TIMEOUT_CLOCK_SLEEP && (wait->arguments[1] & TIMER_ABSTIME))
        return milliseconds_until(&time, (int)wait->arguments[0]);
    if (call->timeout == TIMEOUT_FUTEX &&
        (wait->arguments[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET)
        return milliseconds_until(
            &time, wait->arguments[1] & FUTEX_CLOCK_REALTIME ? CLOCK_REALTIME : CLOCK_MONOTONIC);
    return milliseconds(time.tv_sec, time.tv_nsec);
}

bool thread_cpu_time_ns(int pid, int tid, uint64_t *run_time, uint64_t *delay)
{
    char text[96];
    return proc_read_of(pid, tid, "schedstat", text, sizeof text) > 0 &&
           parse_schedstat(text, run_time, delay);
}

uint64_t thread_run_time_ns(int pid, int tid)
{
    uint64_t run_time, delay;
    return thread_cpu_time_ns(pid, tid, &run_time, &delay) ? run_time : 0;
}
