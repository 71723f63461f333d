// SPDX-License-Identifier: MIT
/*
 * Reads JSON Lines, one object at a time, in constant memory. What is not an object is counted and
 * skipped: a log may be cut by a crash, a full disk or a rotation, and reading goes on after it.
 */
#ifndef PIPESHIM_CLI_REPORT_LOG_READER_H
#define PIPESHIM_CLI_REPORT_LOG_READER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/report/compact_frames.h"

enum { LOG_LINE_LIMIT = 512 << 10 }; /* bytes; the longest line of the library has about 150 KiB */

struct log_reader {
    struct compact_modules *modules; /* made when first needed */
    int fd;       /* of the caller, any kind of file; read from its current position */
    char *buffer; /* LOG_LINE_LIMIT bytes */
    size_t start; /* the unread bytes are buffer[start..end) */
    size_t end;
    size_t searched;  /* no newline in buffer[start..searched) */
    bool skipping;    /* inside a line that is too long */
    bool at_end;      /* read(2) returned 0: see log_reader_line */
    int error;        /* errno of a failed read(2), else 0 */
    uint64_t bytes;   /* read in all */
    uint64_t lines;   /* complete lines, blank ones included */
    uint64_t damaged; /* lines that are no JSON object, or too long, or cut at the end of file */
};

/* False: no memory. */
bool log_reader_open(struct log_reader *reader, int fd);
void log_reader_close(struct log_reader *reader);

/* The next complete line without its newline, NULL at the end of what the file holds now. The bytes
 * are valid until the next call. A file that grows can be read on with another call; an incomplete
 * last line waits in the buffer. */
const char *log_reader_line(struct log_reader *reader, size_t *length);

/* The next object, or NULL as above; damaged lines in between are counted. The caller owns it. */
json_t *log_reader_next(struct log_reader *reader);

/* At the end of a file that grows no more: what is left of a line without a newline. It is an
 * object if the writer merely left the newline out; else it is counted as damaged. */
json_t *log_reader_last(struct log_reader *reader);

/* Parses one line; NULL if it is no object. */
json_t *log_line_parse(const char *line, size_t length);

/* Runs on: tool. AS-safe: no. Blocks: on its file. */
#endif
