// SPDX-License-Identifier: MIT
#include "cli/options.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>

#include "cli/commands.h"

/* What getopt_long(3), called with opterr = 0, rejected. */
static int option_error(const char *command, int option, char *const *argv)
{
    const char *given = argv[optind - 1];
    if (option == ':')
        return usage_error(command, "option '%s' needs a value", given);
    if (optopt != 0 && given[0] == '-' && given[1] != '-')
        return usage_error(command, "unknown option '-%c'", optopt);
    if (optopt != 0)
        return usage_error(command, "option '%s' takes no value", given);
    return usage_error(command, "unknown or ambiguous option '%s'", given);
}

int options_read(const struct command_options *options, int argc, char **argv, void *context)
{
    opterr = 0;
    for (int option;
         (option = getopt_long(argc, argv, options->letters, options->table, NULL)) != -1;) {
        int status = option == 'h'                    ? options->print_help()
                     : option == 'v'                  ? print_version()
                     : option == '?' || option == ':' ? option_error(options->command, option, argv)
                                                      : options->take(option, context);
        if (status != OPTIONS_READ)
            return status;
    }
    return OPTIONS_READ;
}

bool parse_integer(const char *text, int least, int *number)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || value < least || value > INT_MAX)
        return false;
    *number = (int)value;
    return true;
}

bool parse_pid(const char *text, int *pid)
{
    return parse_integer(text, 1, pid);
}
