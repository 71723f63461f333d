// SPDX-License-Identifier: MIT
#include "kernel/process_name.h"

#include <fcntl.h>
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
    long length = proc_read_start_of(pid, 0, "cmdline", text, sizeof text);
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

enum process_runtime process_runtime(int pid)
{
    char path[PROC_PATH_LIMIT], link[512];
    proc_path(path, pid, 0, "exe");
    if (proc_link(AT_FDCWD, path, link, sizeof link) <= 0)
        return RUNTIME_UNKNOWN;
    const char *name = path_last_part(link);
    if (strncmp(name, "python", 6) == 0 || strncmp(name, "pypy", 4) == 0)
        return RUNTIME_PYTHON;
    return strncmp(name, "node", 4) == 0 || strcmp(name, "bun") == 0 || strcmp(name, "deno") == 0
               ? RUNTIME_NODE
               : RUNTIME_UNKNOWN;
}
