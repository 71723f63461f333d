// SPDX-License-Identifier: MIT
#include "explain/javascript/spawn_line.h"

#include <string.h>
#include <unistd.h>

#include "base/raw_syscall.h"
#include "base/script_name.h"
#include "base/utf8.h"
#include "explain/javascript/spawn_call.h"
#include "kernel/proc_reader.h"
#include "kernel/process_name.h"
#include "kernel/process_start.h"
#include "kernel/source_line.h"

enum { COMMAND_LIMIT = 2048, SCRIPT_LIMIT = 512 };

static bool is_shell(const char *program)
{
    const char *name = path_last_part(program);
    return strcmp(name, "sh") == 0 || strcmp(name, "bash") == 0 || strcmp(name, "dash") == 0;
}

static unsigned find_needed(int pid, const struct command_words *command)
{
    char script[SCRIPT_LIMIT];
    if (command->count > 2 && is_shell(command->word[0]) && strcmp(command->word[1], "-c") == 0)
        return 2;
    if (process_script(pid, script, sizeof script)) {
        for (unsigned i = 1; i < command->count; i++) {
            if (strcmp(command->word[i], script) == 0)
                return i;
        }
    }
    return 0;
}

static bool read_command(int pid, char text[COMMAND_LIMIT], struct command_words *command)
{
    long length = proc_read_start_of(pid, 0, "cmdline", text, COMMAND_LIMIT);
    command->count = 0;
    for (const char *at = text, *end = text + (length > 0 ? length : 0);
         at < end && command->count < COMMAND_WORDS_LIMIT; at += strlen(at) + 1)
        command->word[command->count++] = at;
    if (command->count == 0 || command->word[0][0] == '\0')
        return false;
    command->needed = find_needed(pid, command);
    return true;
}

void spawn_line_read(int pid, int other, struct member *member)
{
    char script[SCRIPT_LIMIT], text[COMMAND_LIMIT];
    struct command_words command;
    struct spawn_call call;
    struct text_buffer where;
    /* Who was there before was started by somebody else. */
    if (other <= 0 || other == pid || process_start_ns(other) < process_start_ns(pid) ||
        !process_script(pid, script, sizeof script) || !read_command(other, text, &command))
        return;
    long fd = source_file_open(pid, script);
    if (fd < 0)
        return;
    bool found = spawn_call_find((int)fd, &command, &call);
    raw_syscall(SYS_close, fd);
    if (!found)
        return;
    text_init(&where, member->where, sizeof member->where);
    text_printable(&where, script);
    text_format(&where, ":%d ", call.line);
    text_string(&where, call.name);
    member->where_column = call.column;
    member->where_generated = call.generated;
    member->note =
        "its event loop waits: by the text of its script this line started the other one";
    source_line_read(pid, script, call.line, member->source);
}
