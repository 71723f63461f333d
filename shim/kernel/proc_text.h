// SPDX-License-Identifier: MIT
/*
 * The text files of /proc, parsed. Pure functions on NUL-terminated text: no system call, no
 * state, async-signal-safe. The text comes from outside (a process chooses its own name), so every
 * function takes any bytes, reads nothing after the NUL, and says false where the text is not what
 * proc(5) promises.
 */
#ifndef PIPESHIM_KERNEL_PROC_TEXT_H
#define PIPESHIM_KERNEL_PROC_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/object_facts.h"

/* The leading fields of /proc/PID/stat. */
struct stat_line {
    int pid;
    int parent;
    int group;
    int session;
    int thread_count;
    char state;
    bool kernel_thread; /* a thread of the kernel: no program, no descriptors */
    bool exiting;       /* it has begun to end; its status may not stand yet */
    bool killed;        /* it runs no more code of its own: SIGKILL waits for it, or has come */
    char comm[COMM_LIMIT];
    uint64_t start_ticks; /* clock ticks after boot; with the pid it names one process for ever */
    uint64_t start_stack; /* where it began at the last exec: a forked child has its parent's; 0: it
                           * may not be read */
    int end_signal; /* what its parent is sent when it ends; 0: nothing, and wait() does not see it
                     */
    int cpu;        /* on which it ran last; -1: the text was cut off before */
};
bool parse_stat(const char *text, struct stat_line *line);

/* /proc/PID/task/TID/syscall. */
struct syscall_line {
    bool running; /* "running": on a processor, or about to be */
    bool in_call; /* false: asleep outside a system call (a page fault, a stop) */
    long number;
    uint64_t arguments[6];
    uint64_t stack_pointer;
    uint64_t program_counter;
};
bool parse_syscall(const char *text, struct syscall_line *line);

/* /proc/PID/task/TID/schedstat: nanoseconds on a CPU, and ready to run without one. */
bool parse_schedstat(const char *text, uint64_t *run_time, uint64_t *delay);

/* se.exec_start of /proc/PID/task/TID/sched: when it last began to run, in ns of its CPU's clock.
 */
bool parse_exec_start(const char *text, uint64_t *ns);

/* /proc/PID/statm: pages of address space, and of memory that is there. */
bool parse_statm(const char *text, uint64_t *size, uint64_t *resident);

/* The last number of a line of numbers: the newest field of /proc/PID/stat. */
bool parse_last_number(const char *text, uint64_t *value);

/* The number after `key` at the start of a line of /proc/PID/status or fdinfo ("Pid:"). */
bool parse_field(const char *text, const char *key, int64_t *value);

/* What the link /proc/PID/fd/N says. */
enum link_kind {
    LINK_PIPE,       /* pipe:[INODE] */
    LINK_SOCKET,     /* socket:[INODE] */
    LINK_EPOLL,      /* anon_inode:[eventpoll] */
    LINK_PIDFD,      /* anon_inode:[pidfd], since Linux 6.9 pidfd:[INODE] */
    LINK_URING,      /* anon_inode:[io_uring] */
    LINK_ANON,       /* any other anon_inode: eventfd, timerfd, signalfd, inotify */
    LINK_TTY,        /* /dev/pts/N, /dev/ttyN, /dev/console */
    LINK_PTY_MASTER, /* /dev/ptmx, /dev/pts/ptmx */
    LINK_DEVICE,     /* /dev/null and the like: never a FIFO */
    LINK_PATH,       /* a path: a file, directory or FIFO */
    LINK_OTHER,
};
/* `inode` is 0 where the link does not tell it. */
enum link_kind parse_link(const char *link, uint64_t *inode);

/* One "tfd:" line of the fdinfo of an epoll descriptor. */
struct epoll_line {
    int fd;          /* the number under which it was added */
    uint32_t events; /* EPOLLIN and so on; a disarmed one-shot entry has none */
    uint64_t inode;  /* 0 before Linux 4.18, which does not print it */
};
/* Takes the next such line from `*cursor` and moves it on; false at the end. */
bool parse_epoll(const char **cursor, struct epoll_line *line);

/* One line of /proc/locks: a lock that is held, or ("->") one that is waited for. */
struct lock_line {
    bool waits;
    int pid; /* -1 for an open-file-description lock, which no process owns */
    unsigned major, minor;
    uint64_t inode;
};
/* Takes the next line that names a lock; false at the end. */
bool parse_lock(const char **cursor, struct lock_line *line);

/* One line of /proc/PID/maps. */
struct map_line {
    uint64_t start, end;
    uint64_t offset; /* in the file */
    bool executable, shared;
    const char *path; /* in `text`; "" if it has no name; "[vdso]", "[heap]" */
};
bool parse_map(const char *text, struct map_line *line);

/* One line of /proc/net/tcp or tcp6. IPv4 addresses are given as v4-mapped IPv6 ones, so that the
 * two ends of a connection between an IPv4 and an IPv6 socket compare equal. */
struct inet_line {
    uint8_t local[16], remote[16]; /* network byte order */
    uint16_t local_port, remote_port;
    unsigned state; /* 1 established, 10 listening: include/net/tcp_states.h */
    uint64_t inode;
};
/* Parses one line (without its newline); false for the heading and for anything else. */
bool parse_inet(const char *text, struct inet_line *line);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
