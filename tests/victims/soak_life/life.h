// SPDX-License-Identifier: MIT
/* What the turns of soak_life.c share: chance, words, slow pipes, calls that never return. */
#ifndef PIPESHIM_VICTIM_SOAK_LIFE_H
#define PIPESHIM_VICTIM_SOAK_LIFE_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { MORE_THAN_A_PIPE = 100000 };
extern char block[MORE_THAN_A_PIPE];
extern int words; /* the descriptor for them */

/* The seed is what it had last. */
extern uint64_t chance;
unsigned choose(unsigned below);

void say(const char *turn, const char *how, long result);

/* A signal's number, or 1000 and the exit status. */
long outcome(int status);
long outcome_of(pid_t child);

void make_pipe(int ends[2]);

/* A pipe that is read after some milliseconds, by a child. */
struct slow_pipe {
    int fd;
    pid_t reader;
};

struct slow_pipe slow_pipe_make(void);
long slow_pipe_end(struct slow_pipe pipe);

/* The bytes written, or -errno; write_slowly(): -1 if its reader failed. */
long write_all(int fd, size_t size);
long write_slowly(void);

/* Ends the process in one of so many ways. */
enum { WAYS_TO_LEAVE = 8 };
void leave(unsigned how);

struct stuck_thread {
    struct slow_pipe pipe;
    pthread_t thread;
};

struct stuck_thread stuck_thread_start(void);
long stuck_thread_end(struct stuck_thread stuck);

/* Calls that never return, after make_objects(). */
enum { WAYS_TO_BE_STUCK = 6 };
void make_objects(void);
void get_stuck(unsigned how);

extern _Atomic int is_stuck; /* or just about to be */

/* Threads: one that gets stuck that way (an integer), and one that leaves by the kernel's exit. */
void *stuck_for_ever(void *how);
void *raw_exit(void *unused);

void turn_forks(void);
void turn_spawn(void);
void turn_cancel(void);
void turn_threads(void);
void turn_jump(void);
void turn_small_stack(void);
void turn_interrupts(void);
void turn_sandbox(void);
void turn_rights(void);

#endif
