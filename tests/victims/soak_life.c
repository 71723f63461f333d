// SPDX-License-Identifier: MIT
/*
 * A life of random turns, for tests/soak/life_soak.py:
 *   soak_life SEED TURNS
 * Each turn says on the descriptor $SOAK_WORDS (stderr) what came of it, in words that do not
 * depend on how long anything took; some bytes go to stdout, which may be read late or not at all.
 * The last turn is the end, whose status the soak compares as well.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "soak_life/life.h"

static const char *program;

static void turn_write(void)
{
    say("write", "slow", write_slowly());
}

static void turn_print(void)
{
    int size = (int)choose(20000);
    printf("%*s\n", size, "x");
    if (choose(2))
        fflush(stdout);
    say("print", "stdout", size);
}

static void take_turns(unsigned turns);

static void turn_nested(void)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        take_turns(1 + choose(2));
    say("nested", "child", outcome_of(child));
}

static void *exits_later(void *unused)
{
    (void)unused;
    write_slowly();
    exit(41);
}

static void end(void)
{
    char seed[32];
    pthread_t thread;
    unsigned how = choose(14);
    say("end", "how", how);
    switch (how) {
    case 8:
        pthread_create(&thread, NULL, exits_later, NULL);
        pthread_exit(NULL);
    case 9:
        snprintf(seed, sizeof seed, "%u", choose(1u << 30));
        execl(program, program, seed, "1", (char *)NULL);
        exit(93);
    case 10: /* while threads are in calls that never return */
    case 11:
        for (unsigned i = 0; i < 3; i++)
            pthread_create(&thread, NULL, stuck_for_ever,
                           (void *)(intptr_t)choose(WAYS_TO_BE_STUCK));
        usleep(choose(4000));
        if (how == 10)
            exit(43);
        _exit(44);
    case 12:
        pthread_create(&thread, NULL, raw_exit, NULL);
        pthread_join(thread, NULL);
        syscall(SYS_exit, 45);
        break;
    case 13: {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        abort();
    }
    default:
        leave(how);
    }
}

static void take_turns(unsigned turns)
{
    static void (*const all[])(void) = {
        turn_write,   turn_print,  turn_forks,       turn_spawn,      turn_cancel,
        turn_threads, turn_jump,   turn_small_stack, turn_interrupts, turn_sandbox,
        turn_rights,  turn_nested, turn_sandbox,     turn_rights,
    };
    for (unsigned i = 0; i < turns; i++)
        all[choose(COUNT(all))]();
    end();
}

int main(int argc, char **argv)
{
    program = argv[0];
    const char *given = getenv("SOAK_WORDS");
    if (given)
        words = (int)strtol(given, NULL, 10);
    chance = (argc > 1 ? strtoull(argv[1], NULL, 10) : 1) * 0x9E3779B97F4A7C15ULL + 1;
    for (int i = 0; i < 8; i++)
        choose(2);
    make_objects();
    take_turns(argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 4);
}
