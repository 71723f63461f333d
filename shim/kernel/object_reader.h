// SPDX-License-Identifier: MIT
/*
 * The facts of facts/object_facts.h for a descriptor of any process: what it is, how full, who
 * holds its other end and what they wait in.
 *
 * Made for a thread that does not share the program's descriptor table (watch/). No signal, no
 * ptrace, no open of a pipe end. All functions here are async-signal-safe, allocate nothing, need
 * about 40 KiB of stack, and do work bounded by ACCESS_PROCESS_LIMIT processes.
 */
#ifndef PIPESHIM_KERNEL_OBJECT_READER_H
#define PIPESHIM_KERNEL_OBJECT_READER_H

#include <stdbool.h>

#include "facts/object_facts.h"
#include "kernel/borrowed_fd.h"
#include "kernel/fd_scan.h"

enum {
    ACCESS_PROCESS_LIMIT = 20000, /* processes of one scan; further ones count as unreadable */
    ACCESS_THREAD_LIMIT = 64,     /* threads of one peer that are read for its waits_in */
};

/* What a scan may use. A seccomp filter may kill the program for a call it does not expect, so a
 * library inside a program with one (Seccomp: 2 in /proc/self/status) looks with ACCESS_PROC only.
 */
enum {
    ACCESS_PROC = 0,   /* files of /proc */
    ACCESS_BORROW = 1, /* pidfd_open, pidfd_getfd: how full a pipe is */
    ACCESS_SOCKET = 2, /* an AF_NETLINK socket: peers of AF_UNIX sockets */
    ACCESS_MEMORY = 4, /* process_vm_readv: the descriptors of poll and select, timeouts */
    ACCESS_PEERS = 8,  /* scan all processes for the other end */
    ACCESS_ALL = 15,
};

enum object_role { ROLE_UNKNOWN, ROLE_WRITER, ROLE_READER };

/* Fills `facts` for descriptor `fd` of process `pid`. Returns 0, or -errno when not even the kind
 * is known (-ENOENT, -EACCES); what else could not be read is left as unknown in `facts`. With
 * ROLE_UNKNOWN the role is taken from how the descriptor was opened. */
long object_facts_of_fd(int pid, int fd, enum object_role role, unsigned access,
                        struct object_facts *facts);

/* Whether a socket may be asked itself. */
static inline bool access_asks_sockets(unsigned access)
{
    return (access & (ACCESS_BORROW | ACCESS_SOCKET)) == (ACCESS_BORROW | ACCESS_SOCKET);
}

/* What a socket says of itself (borrowed_socket_state()); false where it may not be asked. One that
 * listens is asked once: a duplicate would keep its port, if only for microseconds, from a program
 * that closes it and binds another one. */
bool socket_state_read(int pid, const struct fd_description *fd, unsigned access,
                       struct socket_state *state);

/* Whether a socket of a process waits for connections (listen(2)). Where it may not be asked itself
 * all sockets of the host are read for it. */
bool socket_listens(int pid, const struct fd_description *fd, unsigned access);

/* Fills `peers` and the counts in `facts->pipe` with the processes that hold the other end. Called
 * by object_facts_of_fd with ACCESS_PEERS. The writer's own process is listed when it holds a
 * reading end itself. */
void find_peers(enum object_role role, unsigned access, struct object_facts *facts);

/* Whether process `pid` holds the other end; fills `peer` then. */
bool find_peer_in(int pid, enum object_role role, unsigned access, const struct object_facts *facts,
                  struct peer_facts *peer);

/* Whether those who were found to hold the other end a moment ago still do: then the same facts are
 * filled without a scan, which costs some 20 us for each process of the machine. Who has come to
 * hold it since is not seen. */
struct peer_holder {
    int pid, fd;
};
bool peers_still_hold(enum object_role role, unsigned access, const struct peer_holder *holders,
                      unsigned count, struct object_facts *facts);

/* State, name and wait of a process: of a child that is waited for. `fd` is left unknown. False
 * when there is no such process. */
bool peer_facts_of_process(int pid, struct peer_facts *peer);

/* The same for a process that holds `fd`: chosen is its thread that uses `fd`, else the one that
 * most likely keeps it from being used (a write, a wait for a child, then other waits). */
bool peer_facts_of_holder(int pid, int fd, struct peer_facts *peer);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
