// SPDX-License-Identifier: MIT
/*
 * A process that waits for one byte on stdin and does nothing else meanwhile.
 *   idle HOW THEN
 * HOW it waits: libc (read()), raw (by a system call instruction of its own).
 * THEN: write (100,000 bytes to stdout, the same way), exit (by exit(2), an instruction of its own,
 * with status 6: the process's only thread).
 */
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "own_instruction.h"

static char block[100000];

int main(int argc, char **argv)
{
    char byte;
    if (argc != 3)
        return 9;
    int raw = strcmp(argv[1], "raw") == 0;
    struct pollfd input = {0, POLLIN, 0};
    poll(&input, 1, 1); /* whoever has the other end may let it wait: the library begins to watch */
    if (raw)
        own_instruction(SYS_read, 0, (long)&byte, 1);
    else if (read(0, &byte, 1) < 0)
        return 9;
    if (strcmp(argv[2], "exit") == 0)
        own_instruction(SYS_exit, 6, 0, 0);
    if (raw)
        own_instruction(SYS_write, 1, (long)block, sizeof block);
    else if (write(1, block, sizeof block) < 0)
        return 9;
    return 0;
}
