// SPDX-License-Identifier: MIT
/*
 * `pipeshim run --drain` for a command that cannot load the library: its pipes lead to a process of
 * ours, which queues what nobody reads and sends it on, in order.
 *
 * The relay is a process of its own session: what ends `run`, or its group, does not end it, and it
 * goes when the command and all who inherited its pipes have closed them and what they wrote is
 * sent. What is lost when it is killed is what it holds.
 */
#ifndef PIPESHIM_CLI_RELAY_RELAY_H
#define PIPESHIM_CLI_RELAY_RELAY_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/relay/relay_stream.h"
#include "cli/run_log.h"
#include "config/settings.h"

struct relay {
    struct relay_stream streams[RELAY_LIMIT];
    unsigned count;
    int control; /* to the relay: the command's pid; from it: it is done, or has handed over */
    pid_t pid;   /* 0: no relay is needed, or to be had */
};

/* If the command cannot load the library and PIPESHIM_DRAIN names something: makes the pipes and
 * the relay, and says so in one line, as it says what a relay cannot do. */
void relay_open(struct relay *relay, const char *command, const struct settings *settings,
                const struct run_log *log);

/* In the child, before exec: its descriptors are the relay's pipes. */
void relay_enter(const struct relay *relay);

/* In `run`, once the command has been started (or not): its pid (0: it was not). */
void relay_let_go(struct relay *relay, pid_t command);

/* After the command's end: waits until all is sent, or the relay goes on alone, as
 * PIPESHIM_DRAIN_EXIT says, or until a signal that asks to end comes from `signal_fd`. */
void relay_wait(struct relay *relay, int signal_fd);

/* Runs on: tool. AS-safe: relay_enter(). Blocks: relay_wait(). */
#endif
