// SPDX-License-Identifier: MIT
#include "cli/report/log_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/names/event_names.h"

bool log_reader_open(struct log_reader *reader, int fd)
{
    *reader = (struct log_reader){.fd = fd, .buffer = malloc(LOG_LINE_LIMIT)};
    return reader->buffer != NULL;
}

void log_reader_close(struct log_reader *reader)
{
    free(reader->buffer);
    compact_modules_free(reader->modules);
    reader->modules = NULL;
    reader->buffer = NULL;
}

/* Makes space, then reads once. False at the end of the file and on errors. */
static bool fill(struct log_reader *reader)
{
    if (reader->start > 0) {
        memmove(reader->buffer, reader->buffer + reader->start, reader->end - reader->start);
        reader->end -= reader->start;
        reader->searched -= reader->start;
        reader->start = 0;
    }
    if (reader->end == LOG_LINE_LIMIT) { /* a full buffer without a newline */
        reader->skipping = true;
        reader->end = reader->searched = 0;
    }
    ssize_t got;
    do
        got = read(reader->fd, reader->buffer + reader->end, LOG_LINE_LIMIT - reader->end);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        reader->error = errno;
    reader->at_end = got <= 0;
    if (got > 0) {
        reader->end += (size_t)got;
        reader->bytes += (uint64_t)got;
    }
    return got > 0;
}

const char *log_reader_line(struct log_reader *reader, size_t *length)
{
    for (;;) {
        char *newline =
            memchr(reader->buffer + reader->searched, '\n', reader->end - reader->searched);
        if (!newline) {
            reader->searched = reader->end;
            if (!fill(reader))
                return NULL;
            continue;
        }
        const char *line = reader->buffer + reader->start;
        *length = (size_t)(newline - line);
        reader->start = reader->searched = (size_t)(newline - reader->buffer) + 1;
        reader->lines++;
        if (!reader->skipping)
            return line;
        reader->skipping = false; /* this was the end of a line that is too long */
        reader->damaged++;
    }
}

static bool is_blank(const char *line, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    return true;
}

json_t *log_line_parse(const char *line, size_t length)
{
    json_t *value = json_loadb(line, length, 0, NULL);
    if (!json_is_object(value)) {
        json_decref(value);
        return NULL;
    }
    return value;
}

static json_t *parse_counted(struct log_reader *reader, const char *line, size_t length)
{
    if (is_blank(line, length))
        return NULL;
    json_t *object = log_line_parse(line, length);
    if (!object)
        reader->damaged++;
    else
        compact_frames_expand(&reader->modules, object);
    event_names_restore(object);
    return object;
}

json_t *log_reader_next(struct log_reader *reader)
{
    size_t length;
    const char *line;
    while ((line = log_reader_line(reader, &length)) != NULL) {
        json_t *object = parse_counted(reader, line, length);
        if (object)
            return object;
    }
    return NULL;
}

json_t *log_reader_last(struct log_reader *reader)
{
    const char *line = reader->buffer + reader->start;
    size_t length = reader->end - reader->start;
    reader->start = reader->searched = reader->end;
    if (reader->skipping) {
        reader->skipping = false;
        reader->damaged++;
        return NULL;
    }
    return length > 0 ? parse_counted(reader, line, length) : NULL;
}
