// SPDX-License-Identifier: MIT
/*
 * How the last thread of a process leaves.
 *   last_thread WHERE [quiet]
 * WHERE: main (the only thread leaves by exit(2) through syscall()), asm (the same by an
 * instruction of its own), thread (main has left by pthread_exit(3), then a thread leaves by
 * exit(2)), peaceful (main has left by pthread_exit, a thread gets stuck in a write to stdout and
 * then returns). With quiet it sleeps first, until the library has nothing to look at.
 */
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char block[4096];
static int quiet;

static void make_calls(void)
{
    int ends[2];
    if (pipe(ends) != 0)
        return;
    struct pollfd end = {ends[0], POLLIN, 0};
    for (int i = 0; i < 20; i++)
        poll(&end, 1, 10);
    if (quiet)
        usleep(500 * 1000);
}

static void exit_instruction(long status)
{
#if defined(__x86_64__)
    __asm__ volatile("syscall" : : "a"((long)SYS_exit), "D"(status) : "rcx", "r11", "memory");
#else
    register long x8 __asm__("x8") = SYS_exit;
    register long x0 __asm__("x0") = status;
    __asm__ volatile("svc #0" : : "r"(x8), "r"(x0) : "memory");
#endif
}

static void *leave(void *unused)
{
    make_calls();
    syscall(SYS_exit, 5);
    return unused;
}

static void *get_stuck(void *unused)
{
    for (int i = 0; i < 64; i++)
        if (write(1, block, sizeof block) < 0)
            _exit(9);
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    const char *where = argc > 1 ? argv[1] : "";
    quiet = argc > 2;
    if (strcmp(where, "main") == 0 || strcmp(where, "asm") == 0) {
        make_calls();
        if (where[0] == 'm')
            syscall(SYS_exit, 4);
        exit_instruction(6);
    }
    pthread_create(&thread, NULL, strcmp(where, "thread") == 0 ? leave : get_stuck, NULL);
    pthread_exit(NULL);
}
