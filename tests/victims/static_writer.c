// SPDX-License-Identifier: MIT
/* static_writer FD LINES STATUS: linked statically, so that it cannot load the library. Writes
 * lines of 64 bytes to FD, says "done" on stdout (or stderr where FD is stdout), and ends with
 * STATUS. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **arguments)
{
    char line[65];
    if (count < 4)
        return 2;
    int fd = atoi(arguments[1]);
    for (int i = 0; i < atoi(arguments[2]); i++) {
        snprintf(line, sizeof line, "%063d\n", i);
        if (write(fd, line, sizeof line - 1) != sizeof line - 1)
            return 3;
    }
    if (write(fd == STDOUT_FILENO ? STDERR_FILENO : STDOUT_FILENO, "done\n", 5) != 5)
        return 4;
    return atoi(arguments[3]);
}
