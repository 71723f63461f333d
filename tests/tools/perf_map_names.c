// SPDX-License-Identifier: MIT
// Prints the names of addresses from the perf map of a process, one a line, empty if it has none.
//   perf_map_names PID ADDRESS... (hexadecimal)
#include <stdio.h>
#include <stdlib.h>

#include "explain/perf_map.h"

int main(int argc, char **argv)
{
    if (argc < 3)
        return 64;
    unsigned count = (unsigned)argc - 2;
    struct perf_map_name *names = calloc(count, sizeof *names);
    if (!names)
        return 1;
    for (unsigned i = 0; i < count; i++)
        names[i].pc = strtoull(argv[i + 2], NULL, 16);
    perf_map_find((int)strtol(argv[1], NULL, 10), names, count);
    for (unsigned i = 0; i < count; i++)
        puts(names[i].name);
    free(names);
    return 0;
}
