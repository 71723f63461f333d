// SPDX-License-Identifier: MIT
#include "cli/report/event_text.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/report/event_read.h"

enum { TEXT_LIMIT = 64 * 1024 };

/* Of the terminal on which it is shown: 0, so that no line is broken, where there is none. */
static unsigned terminal_columns(void)
{
    struct winsize size;
    return isatty(STDERR_FILENO) && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void event_text_write(const json_t *event, FILE *out)
{
    struct read_event *read = malloc(sizeof *read);
    char *lines = malloc(TEXT_LIMIT);
    if (read && lines && event_read(event, read)) {
        struct text_buffer text;
        text_init(&text, lines, TEXT_LIMIT);
        if (read->event.kind == EVENT_FINDING)
            read->event.graph.columns = terminal_columns();
        event_render(&event_format_text, &text, &read->event);
        fwrite(text.data, 1, text.length, out);
    }
    free(lines);
    free(read);
}
