// SPDX-License-Identifier: MIT
#include "kernel/status.h"

#include <fcntl.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "kernel/proc_reader.h"

enum { NAME_LIMIT = 32, CHUNK = 1024 }; /* on a handler's small stack as well */

struct parser {
    struct status_field *fields;
    unsigned count;
    struct status_field *field; /* the first whose line this is, after the colon; NULL: nobody's */
    bool in_name, in_number, is_number;
    uint64_t number;
    unsigned nth;    /* of the line's numbers, from 1 */
    unsigned length; /* of the name so far */
    char name[NAME_LIMIT];
};

static void begin_line(struct parser *parser)
{
    parser->field = NULL;
    parser->in_name = true;
    parser->length = 0;
}

/* After the `nth` number of a line, 0: after the line. */
static void give(const struct parser *parser, unsigned nth)
{
    if (!parser->is_number)
        return;
    for (struct status_field *field = parser->field;
         field < parser->fields + parser->count && strcmp(field->name, parser->field->name) == 0;
         field++)
        if (field->nth == nth) {
            field->found = true;
            field->value = parser->number;
        }
}

static void end_number(struct parser *parser)
{
    if (parser->in_number)
        give(parser, ++parser->nth);
    parser->in_number = false;
}

static void end_line(struct parser *parser)
{
    if (parser->field) {
        end_number(parser);
        give(parser, 0);
    }
    begin_line(parser);
}

static void take_name(struct parser *parser, char byte)
{
    if (byte != ':') {
        if (parser->length < NAME_LIMIT)
            parser->name[parser->length++] = byte;
        return;
    }
    parser->in_name = parser->in_number = parser->is_number = false;
    parser->number = 0;
    parser->nth = 0;
    for (unsigned i = 0; i < parser->count && !parser->field; i++) {
        const char *name = parser->fields[i].name;
        if (name[0] == parser->name[0] && strlen(name) == parser->length &&
            memcmp(name, parser->name, parser->length) == 0)
            parser->field = &parser->fields[i];
    }
}

/* FNV-1a. */
static void take_text(struct parser *parser, char byte)
{
    if (parser->field->base == STATUS_LETTER) {
        if (!parser->number && byte > ' ')
            parser->number = (unsigned char)byte;
        parser->is_number = parser->number != 0;
        return;
    }
    uint64_t hash = parser->is_number ? parser->number : 0xcbf29ce484222325ULL;
    parser->number = (hash ^ (unsigned char)byte) * 0x100000001b3ULL;
    parser->is_number = true;
}

static void take_value(struct parser *parser, char byte)
{
    unsigned digit = byte >= '0' && byte <= '9'   ? (unsigned)(byte - '0')
                     : byte >= 'a' && byte <= 'f' ? (unsigned)(byte - 'a') + 10
                                                  : UINT32_MAX;
    if (byte == ' ' || byte == '\t') {
        end_number(parser);
        return;
    }
    if (!parser->in_number)
        parser->number = 0;
    parser->is_number = digit < parser->field->base && (!parser->in_number || parser->is_number);
    parser->in_number = true;
    parser->number = parser->number * parser->field->base + digit;
}

static void take(struct parser *parser, const char *bytes, long count)
{
    for (long i = 0; i < count; i++) {
        if (bytes[i] == '\n')
            end_line(parser);
        else if (parser->in_name)
            take_name(parser, bytes[i]);
        else if (parser->field && parser->field->base > STATUS_WHOLE)
            take_value(parser, bytes[i]);
        else if (parser->field)
            take_text(parser, bytes[i]);
    }
}

static bool all_found(const struct parser *parser)
{
    for (unsigned i = 0; i < parser->count; i++)
        if (!parser->fields[i].found)
            return false;
    return true;
}

static void path_of_own_thread(char path[PROC_PATH_LIMIT], int tid)
{
    struct text_buffer text;
    text_init(&text, path, PROC_PATH_LIMIT);
    text_string(&text, "/proc/self/task/");
    text_signed(&text, tid);
    text_string(&text, "/status");
}

bool fields_read(const char *path, struct status_field *fields, unsigned count)
{
    char chunk[CHUNK];
    struct parser parser = {.fields = fields, .count = count};
    long size;
    for (unsigned i = 0; i < count; i++) {
        fields[i].found = false;
        fields[i].value = 0;
    }
    long fd = raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    begin_line(&parser);
    while (!all_found(&parser) && (size = raw_syscall(SYS_read, fd, chunk, sizeof chunk)) > 0)
        take(&parser, chunk, size);
    raw_syscall(SYS_close, fd);
    return all_found(&parser);
}

bool status_read(int pid, int tid, struct status_field *fields, unsigned count)
{
    char path[PROC_PATH_LIMIT] = "/proc/thread-self/status";
    if (pid == STATUS_THIS_PROCESS)
        path_of_own_thread(path, tid);
    else if (pid != 0)
        proc_path(path, pid, tid, "status");
    return fields_read(path, fields, count);
}
