// SPDX-License-Identifier: MIT
/*
 * What is known of the kernel object that a call waits for: the facts which the contract names
 * `pipe`, `socket`, `child` and `file`. Plain data: explain/ fills it, report/ prints it. What
 * cannot be known is marked so and left out of the report, never guessed.
 */
#ifndef PIPESHIM_FACTS_OBJECT_FACTS_H
#define PIPESHIM_FACTS_OBJECT_FACTS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    OBJECT_NAME_LIMIT = 256,
    PEER_LIMIT = 8,      /* peers printed by name; more are counted */
    COMM_LIMIT = 16,     /* TASK_COMM_LEN of the kernel */
    WAITS_IN_LIMIT = 64, /* "write fd 2", "wait4 4250" */
    PEER_NAME_LIMIT = 64,
    ADDRESS_LIMIT = 128, /* "127.0.0.1:6379", "[::1]:80", "unix:/run/x" */
    UNKNOWN_NUMBER = -1,
};

enum object_kind {
    OBJECT_UNKNOWN,
    OBJECT_PIPE,       /* anonymous pipe */
    OBJECT_FIFO,       /* named pipe */
    OBJECT_SOCKETPAIR, /* AF_UNIX stream socket: Node's stdio */
    OBJECT_SOCKET,     /* any other socket */
    OBJECT_FILE,
    OBJECT_HOST, /* a name that is looked up */
    OBJECT_TTY,
    OBJECT_OTHER, /* eventfd, epoll, … */
};

/* Why what a process does may not be read. */
enum unread {
    UNREAD_NOT,        /* it may, as far as was asked */
    UNREAD_OTHER_USER, /* it belongs to another user */
    UNREAD_PROTECTED,  /* not dumpable, with more privileges, in another user namespace; or Yama */
};

/* Processes whose descriptors may not be read: any of them may hold what nobody else is seen to
 * hold. Without the kernel's own threads, and those that have ended. */
struct unread_count {
    unsigned other_users;
    unsigned is_protected;
};

/* One process that holds an end of a pipe, or a child that is waited for. */
struct peer_facts {
    int pid;
    int fd;     /* its fd, UNKNOWN_NUMBER when there is none or it may not be read */
    char state; /* R S D T t Z X of proc(5); 0 unknown */
    char comm[COMM_LIMIT];
    char
        name[PEER_NAME_LIMIT]; /* as its user knows it, of an interpreter its script; "": unknown */
    char
        waits_in[WAITS_IN_LIMIT]; /* what its relevant thread waits in; empty: unknown or running */
    enum unread unread;           /* why no more than that is known of its call */
};

/* What to call it. */
static inline const char *peer_name(const struct peer_facts *peer)
{
    return peer->name[0] ? peer->name : peer->comm;
}

/* It computes, or waits for a CPU: it is in no call that could be named. */
static inline bool peer_runs(const struct peer_facts *peer)
{
    return peer->state == 'R' && peer->waits_in[0] == '\0';
}

struct pipe_facts {
    uint64_t inode;
    uint64_t device;     /* of a FIFO, whose inode is unique only there; else 0; not reported */
    int64_t used;        /* bytes, FIONREAD (SIOCOUTQ for a socket); UNKNOWN_NUMBER */
    int64_t capacity;    /* bytes, F_GETPIPE_SZ; UNKNOWN_NUMBER: sockets have none */
    int slots;           /* pages that it holds at most; UNKNOWN_NUMBER */
    int slots_used;      /* known only when it is full or empty; UNKNOWN_NUMBER */
    int full;            /* 1: a blocking write cannot proceed now, 0: it can, UNKNOWN_NUMBER */
    const char *role;    /* "writer" or "reader": what the caller is to it */
    bool peers_known;    /* /proc was read; false: not looked, or not allowed */
    unsigned peer_count; /* all of them, also those beyond PEER_LIMIT */
    unsigned peers_unreadable;  /* processes whose fds could not be read */
    struct unread_count unread; /* those of them that may hold the end; nobody is seen to hold it */
    struct peer_facts peers[PEER_LIMIT];
};

struct socket_facts {
    const char *family; /* "inet", "inet6", "unix", … */
    char local[ADDRESS_LIMIT];
    char remote[ADDRESS_LIMIT];
    int peer_pid;                    /* UNKNOWN_NUMBER */
    char peer_name[PEER_NAME_LIMIT]; /* its name as the user knows it, "" when not known */
    struct unread_count unread;      /* who may hold the other end; nobody is seen to hold it */
};

struct object_facts {
    enum object_kind kind;
    char name[OBJECT_NAME_LIMIT]; /* "pipe:[81723]", "/tmp/fifo", "socket:[99]" */
    struct pipe_facts pipe;       /* kind PIPE, FIFO, SOCKETPAIR */
    struct socket_facts socket;   /* kind SOCKET, SOCKETPAIR */
    struct peer_facts child;      /* waits for a child: pid != 0 */
};

/* The kernel gives an unprivileged user whose pipes hold more than fs.pipe-user-pages-soft pages in
 * all, as 1,024 of the usual size do, no more than two pages a pipe (pipe(7)). */
enum { SMALL_PIPE = 8192 };
#define SMALL_PIPE_WORDS " (what a user gets whose pipes exceed fs.pipe-user-pages-soft)"

/* Runs on: any. Plain data. */
#endif
