// SPDX-License-Identifier: MIT
#include "kernel/process_name.h"

#include <stdbool.h>
#include <string.h>

#include "base/script_name.h"
#include "base/text_buffer.h"
#include "kernel/proc_reader.h"

struct command_line {
    const char *at, *end;
};

static const char *next_argument(void *context)
{
    struct command_line *line = context;
    if (line->at >= line->end)
        return NULL;
    const char *argument = line->at;
    line->at += strlen(argument) + 1;
    return argument;
}

void process_name(int pid, const char *comm, char name[PROCESS_NAME_LIMIT])
{
    char text[2048];
    struct text_buffer buffer;
    long length = proc_read_of(pid, 0, "cmdline", text, sizeof text);
    struct command_line line = {text, text + (length > 0 ? length : 0)};
    const char *script = script_argument(next_argument, &line);
    text_init(&buffer, name, PROCESS_NAME_LIMIT);
    if (script && *path_last_part(script) != '\0')
        text_string(&buffer, path_last_part(script));
    else if (length > 0 && !strchr(text, ' ') && *path_last_part(text) != '\0')
        text_string(&buffer, path_last_part(text));
    else
        text_string(&buffer, comm);
}
