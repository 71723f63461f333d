// SPDX-License-Identifier: MIT
#include "cli/report/event_text.h"

#include <stdlib.h>

#include "cli/report/event_read.h"

enum { TEXT_LIMIT = 64 * 1024 };

void event_text_write(const json_t *event, const char *script, FILE *out)
{
    struct read_event *read = malloc(sizeof *read);
    char *lines = malloc(TEXT_LIMIT);
    if (read && lines && event_read(event, read) && !event_text_leaves_out(&read->event)) {
        struct text_buffer text;
        read->event.head.script = script;
        text_init(&text, lines, TEXT_LIMIT);
        event_render(&event_format_text, &text, &read->event);
        fwrite(text.data, 1, text.length, out);
    }
    free(lines);
    free(read);
}
