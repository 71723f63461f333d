// SPDX-License-Identifier: MIT
/*
 * The program that `pipeshim run` runs: a child in the same process group, so that the terminal
 * treats both as one job. Terminal signals (^C, ^Z, window size) reach the child by themselves;
 * what another process sends to pipeshim alone is passed on; when the child stops, pipeshim stops
 * too, so that the shell takes the job back; when a signal ends the child, the same signal ends
 * pipeshim.
 */
#ifndef PIPESHIM_CLI_RUN_PROCESS_H
#define PIPESHIM_CLI_RUN_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/relay/relay.h"

struct run_process {
    pid_t pid;
    int signal_fd;   /* readable: call run_process_signals() */
    bool stop_asked; /* ^Z was pressed since the job went on last */
    bool ended;
    int status; /* of waitpid(2), when it has ended */
};

/* Starts the command, behind the relay if there is one. Returns 0, or the exit status (126, 127,
 * 71) after saying why not. */
int run_process_start(struct run_process *process, char *const *command, const struct relay *relay);

/* Handles the signals that came: passes on, stops and continues, notes the end. */
void run_process_signals(struct run_process *process);

/* Sends a signal to the command and all its descendants. */
void run_process_kill_tree(const struct run_process *process, int signal);

/* It has ended, with status 0. */
bool run_process_succeeded(const struct run_process *process);

/* Ends this process as the child ended: its exit status, or its signal (without a core file of
 * pipeshim's own). */
_Noreturn void run_process_exit_like(const struct run_process *process);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
