// SPDX-License-Identifier: MIT
/* What a relay stands before. */
#ifndef PIPESHIM_CLI_RELAY_RELAY_STREAM_H
#define PIPESHIM_CLI_RELAY_RELAY_STREAM_H

#include <stdbool.h>
#include <sys/types.h>

enum { RELAY_LIMIT = 16 };

/* One pipe, FIFO or stream socket that the command would have inherited. */
struct relay_stream {
    int fds[RELAY_LIMIT]; /* that lead to it, in `run` and in the command */
    unsigned fd_count;
    dev_t device;
    ino_t inode;
    bool is_socket;
    int inside;  /* the command's end of ours; -1 after relay.h: relay_let_go() */
    int outside; /* the relay's end of it */
};

/* Runs on: any. Plain data. */
#endif
