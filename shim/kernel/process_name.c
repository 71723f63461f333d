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

enum { COMMAND_LINE_LIMIT = 2048 };

/* The script of an interpreter, in `text`, which becomes the start of the command line; NULL: none.
 */
static const char *read_script(int pid, char text[COMMAND_LINE_LIMIT])
{
    long length = proc_read_start_of(pid, 0, "cmdline", text, COMMAND_LINE_LIMIT);
    struct command_line line = {text, text + (length > 0 ? length : 0)};
    return script_argument(next_argument, &line);
}

void process_name(int pid, const char *comm, char name[PROCESS_NAME_LIMIT])
{
    char text[COMMAND_LINE_LIMIT];
    struct text_buffer buffer;
    const char *script = read_script(pid, text);
    text_init(&buffer, name, PROCESS_NAME_LIMIT);
    if (script && *path_last_part(script) != '\0')
        text_string(&buffer, path_last_part(script));
    else if (!strchr(text, ' ') && *path_last_part(text) != '\0')
        text_string(&buffer, path_last_part(text));
    else
        text_string(&buffer, comm);
}

bool process_script(int pid, char *path, size_t capacity)
{
    char text[COMMAND_LINE_LIMIT];
    struct text_buffer buffer;
    const char *script = read_script(pid, text);
    text_init(&buffer, path, capacity);
    text_string(&buffer, script ? script : "");
    return script && *script != '\0' && !buffer.truncated;
}

enum process_runtime process_runtime(int pid)
{
    char path[PROC_PATH_LIMIT], link[512];
    proc_path(path, pid, 0, "exe");
    if (proc_link(AT_FDCWD, path, link, sizeof link) <= 0)
        return RUNTIME_UNKNOWN;
    static const struct {
        char start[12]; /* of the file's name; a version may follow (python: anything) */
        enum process_runtime runtime;
    } runtimes[] = {{"python", RUNTIME_PYTHON}, {"pypy", RUNTIME_PYTHON}, {"node", RUNTIME_NODE},
                    {"nodejs", RUNTIME_NODE},   {"bun", RUNTIME_NODE},    {"deno", RUNTIME_NODE},
                    {"bash", RUNTIME_SHELL},    {"dash", RUNTIME_SHELL},  {"sh", RUNTIME_SHELL},
                    {"zsh", RUNTIME_SHELL},     {"ksh", RUNTIME_SHELL},   {"mksh", RUNTIME_SHELL},
                    {"java", RUNTIME_JAVA},     {"perl", RUNTIME_PERL},   {"ruby", RUNTIME_RUBY},
                    {"php", RUNTIME_PHP}};
    const char *name = path_last_part(link);
    for (unsigned i = 0; i < sizeof runtimes / sizeof *runtimes; i++) {
        size_t length = strlen(runtimes[i].start);
        if (strncmp(name, runtimes[i].start, length) == 0 &&
            (runtimes[i].runtime == RUNTIME_PYTHON ||
             name[length + strspn(name + length, "0123456789.-")] == '\0'))
            return runtimes[i].runtime;
    }
    return RUNTIME_UNKNOWN;
}
