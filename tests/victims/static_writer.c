// SPDX-License-Identifier: MIT
/* static_writer FD LINES STATUS [PAUSE_MS]: linked statically, so that it cannot load the library.
 * Writes lines of 64 bytes to FD, with a pause before each, says "done" on stdout (or stderr where
 * FD is stdout), and ends with STATUS. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **arguments)
{
    char line[65];
    if (count < 4)
        return 2;
    int fd = atoi(arguments[1]);
    useconds_t pause_us = count > 4 ? (useconds_t)atoi(arguments[4]) * 1000 : 0;
    for (int i = 0; i < atoi(arguments[2]); i++) {
        if (pause_us > 0)
            usleep(pause_us);
        snprintf(line, sizeof line, "%063d\n", i);
        if (write(fd, line, sizeof line - 1) != sizeof line - 1)
            return 3;
    }
    if (write(fd == STDOUT_FILENO ? STDERR_FILENO : STDOUT_FILENO, "done\n", 5) != 5)
        return 4;
    return atoi(arguments[3]);
}
