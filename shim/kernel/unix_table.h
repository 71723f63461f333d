// SPDX-License-Identifier: MIT
/*
 * Who is at the other end of AF_UNIX sockets, for a look that asks for many of them.
 *
 * To find one socket by its inode the kernel walks all the lists of its table (unix_lookup_by_ino
 * of Linux 6.x: 8 to 50 us). A server with 2,000 connections would pay that 2,000 times in each
 * look, and a look that is dear is put off. So from some question on all sockets of the network
 * namespace are taken at once, 0.3 us each, and kept until the look ends.
 */
#ifndef PIPESHIM_KERNEL_UNIX_TABLE_H
#define PIPESHIM_KERNEL_UNIX_TABLE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    UNIX_ASKED_ONE_BY_ONE = 64, /* what 2,000 sockets of a host take at once */
    UNIX_TABLE_LIMIT = 16384,   /* sockets of a host; of others each is asked for by itself */
};

struct unix_end {
    uint64_t peer;  /* inode of the other end; 0: not connected, or it is closed */
    int64_t unread; /* bytes in its receive queue; -1 unknown */
    bool listening;
};

/* A look begins: what was taken is forgotten. */
void unix_table_forget(void);

/* What has been taken already; asks nothing. False: the socket is not there. */
bool unix_table_find(uint64_t inode, struct unix_end *end);

/* 0 or -errno: as unix_socket_read() (kernel/socket_peers.h), as it was at some moment of this
 * look. */
long unix_end_read(uint64_t inode, struct unix_end *end);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
