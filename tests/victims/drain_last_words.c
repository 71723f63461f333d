// SPDX-License-Identifier: MIT
/* drain_last_words LINES: greets, waits for the end of stdin, then writes lines of 64 bytes through
 * stdio, whose buffer exit empties behind the library's destructor. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int count, char **arguments)
{
    int lines = count > 1 ? atoi(arguments[1]) : 0;
    char buffer[4096];
    puts("hello");
    fflush(stdout);
    while (read(0, buffer, sizeof buffer) > 0) {
    }
    for (int i = 0; i < lines; i++)
        printf("%063d\n", i);
    return 0;
}
