// SPDX-License-Identifier: MIT
/* What each command says alike. */
#include "cli/commands.h"

#include <stdarg.h>
#include <stdio.h>

int usage_error(const char *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "pipeshim%s%s: ", *command ? " " : "", command);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, " (see pipeshim%s%s --help)\n", *command ? " " : "", command);
    va_end(arguments);
    return EXIT_USAGE;
}

int print_version(void)
{
    puts("pipeshim " PIPESHIM_VERSION);
    return fflush(stdout) == 0 ? 0 : 1;
}
