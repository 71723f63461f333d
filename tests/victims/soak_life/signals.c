// SPDX-License-Identifier: MIT
/* Signals: handlers that write or jump out, small stacks, interrupted calls. */
#include "life.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/time.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

static sigjmp_buf back;

static void jump_back(int number)
{
    siglongjmp(back, number);
}

static void in_microseconds(long microseconds)
{
    struct itimerval timer = {{0, 0}, {0, microseconds}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

void turn_jump(void)
{
    struct sigaction action = {.sa_handler = jump_back};
    volatile long jumps = 0;
    sigaction(SIGALRM, &action, NULL);
    for (volatile int i = 0; i < 8; i++) {
        unsigned how = choose(WAYS_TO_BE_STUCK);
        long after = 200 + (long)choose(5000);
        if (sigsetjmp(back, 1) == 0) {
            in_microseconds(after);
            get_stuck(how);
        } else {
            jumps++;
        }
    }
    signal(SIGALRM, SIG_DFL);
    say("jump", "out", jumps);
}

static struct slow_pipe handlers_pipe;
static volatile long handlers_result;

static void write_in_handler(int number)
{
    (void)number;
    handlers_result = write_all(handlers_pipe.fd, sizeof block);
}

/* The kernel's frame and 3 KiB, or what a sanitizer needs. */
static size_t small_size(void)
{
    const char *given = getenv("SOAK_SMALL_STACK");
    unsigned long frame = getauxval(AT_MINSIGSTKSZ);
    return (frame ? frame : 2048) + (given ? strtoul(given, NULL, 10) : 3072);
}

void turn_small_stack(void)
{
    enum { GUARD = 65536, MEMORY = 512 * 1024 };
    struct sigaction action = {.sa_handler = write_in_handler, .sa_flags = SA_ONSTACK};
    stack_t none = {.ss_flags = SS_DISABLE};
    char *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(memory, GUARD, PROT_NONE);
    stack_t stack = {.ss_sp = memory + GUARD, .ss_size = small_size()};
    sigaction(SIGUSR1, &action, NULL);
    sigaltstack(&stack, NULL);
    handlers_pipe = slow_pipe_make();
    raise(SIGUSR1);
    slow_pipe_end(handlers_pipe);
    sigaltstack(&none, NULL);
    munmap(memory, MEMORY);
    say("small-stack", "written", handlers_result);
}

static void count_signal(int number)
{
    (void)number;
}

void turn_interrupts(void)
{
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = choose(2) ? SA_RESTART : 0};
    struct itimerval timer = {{0, 700}, {0, 700}}, off = {0};
    struct slow_pipe pipe = slow_pipe_make();
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    long written = write_all(pipe.fd, sizeof block);
    setitimer(ITIMER_REAL, &off, NULL);
    signal(SIGALRM, SIG_DFL);
    say("interrupts", "written", written + slow_pipe_end(pipe));
}
