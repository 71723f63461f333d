// SPDX-License-Identifier: MIT
/*
 * What a signal handler does on an alternate stack that has space for the kernel's frame and 3 KiB:
 *   small_stack WHAT
 * exit: _exit(3); write: the process's first write, that blocks until stdout is read; child: the
 * first call of a forked child, which then leaves by _exit. Below the stack nothing is mapped.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

enum { PAGE = 65536, FOR_THE_PROGRAM = 1024, FOR_THE_LIBRARY = 2048 };

static char block[100000];
static const char *what;

static void handler(int number)
{
    (void)number;
    if (strcmp(what, "exit") == 0)
        _exit(3);
    if (write(1, block, sizeof block) < 0)
        _exit(9);
    if (strcmp(what, "child") == 0)
        _exit(4);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    unsigned long frame = getauxval(AT_MINSIGSTKSZ);
    char *memory = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    what = argc > 1 ? argv[1] : "";
    mprotect(memory, PAGE, PROT_NONE);
    stack_t stack = {.ss_sp = memory + PAGE,
                     .ss_size = (frame ? frame : 2048) + FOR_THE_PROGRAM + FOR_THE_LIBRARY};
    if (sigaltstack(&stack, NULL) != 0)
        return 8;
    sigaction(SIGUSR1, &action, NULL);
    if (strcmp(what, "child") != 0) {
        raise(SIGUSR1);
        return 5;
    }
    if (write(1, block, 1) != 1)
        return 8;
    if (fork() == 0)
        raise(SIGUSR1);
    wait(&status);
    dprintf(2, "child %x\n", (unsigned)status);
    return 5;
}
