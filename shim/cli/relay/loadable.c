// SPDX-License-Identifier: MIT
#include "cli/relay/loadable.h"

#include <stddef.h>
#include <string.h>

#include "cli/program.h"

const char *loadable_why_not(const char *command)
{
    struct program program;
    const char *problem = program_find(command, &program);
    if (program.secure)
        return "changes its user, group or capabilities";
    if (problem || !program.is_elf)
        return NULL;
    if (!program.is_ours)
        return "is built for another kind of processor";
    if (program.is_go)
        return "is a Go program, which makes system calls of its own";
    if (!program.loader[0])
        return "is statically linked";
    return strstr(program.loader, "ld-musl") ? "runs on musl, which the library does not know"
                                             : NULL;
}
