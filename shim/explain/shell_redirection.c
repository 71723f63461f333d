// SPDX-License-Identifier: MIT
#include "explain/shell_redirection.h"

#include <stdbool.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "base/utf8.h"
#include "kernel/proc_reader.h"
#include "kernel/process_name.h"
#include "kernel/source_line.h"

enum { SCRIPT_LIMIT = 512 };

static bool ends_word(char c)
{
    return c == '\0' || strchr(" \t\r;&|<>()", c) != NULL;
}

/* `at`: after the '>'. */
static bool is_to(const char *at, const char *path)
{
    size_t length = strlen(path);
    if (*at == '>' || *at == '|')
        at++;
    at += strspn(at, " \t");
    char quote = *at == '"' || *at == '\'' ? *at++ : '\0';
    if (strncmp(at, path, length) != 0)
        return false;
    at += length;
    return quote ? *at == quote && ends_word(at[1]) : ends_word(*at);
}

static bool has_redirection(const char *line, const char *path)
{
    if (line[strspn(line, " \t")] == '#')
        return false;
    for (const char *at = strchr(line, '>'); at; at = strchr(at + 1, '>')) {
        if ((at == line || at[-1] != '<') && is_to(at + 1, path))
            return true;
    }
    return false;
}

int shell_redirection_find(int fd, const char *path)
{
    struct line_reader lines = {.fd = fd, .at = 0, .end = 0, .ended = false};
    int found = 0, number = 0;
    const char *line;
    while (path[0] != '\0' && (line = lines_next(&lines)) != NULL) {
        number++;
        if (strlen(line) >=
            sizeof lines.buffer - 1) /* cut: what is behind counts as another line */
            return 0;
        if (!has_redirection(line, path))
            continue;
        if (found != 0)
            return 0;
        found = number;
    }
    return found;
}

void shell_redirection_read(int pid, const char *path, struct member *member)
{
    char script[SCRIPT_LIMIT];
    struct text_buffer where;
    if (member->where[0] != '\0' || !process_script(pid, script, sizeof script))
        return;
    long fd = source_file_open(pid, script);
    if (fd < 0)
        return;
    int line = shell_redirection_find((int)fd, path);
    raw_syscall(SYS_close, fd);
    if (line == 0)
        return;
    text_init(&where, member->where, sizeof member->where);
    text_printable(&where, script);
    text_format(&where, ":%d main", line);
    member->note = "by the text of its script this line opens it";
    source_line_read(pid, script, line, member->source);
}
