// SPDX-License-Identifier: MIT
#include "cli/terminal_text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { DEEPER = 4, NARROWEST = 20 };

#define RED    "\x1b[1;31m"
#define YELLOW "\x1b[1;33m"
#define BOLD   "\x1b[1m"
#define CYAN   "\x1b[36m"
#define PLAIN  "\x1b[0m"

struct terminal terminal_of(int fd)
{
    struct winsize size;
    const char *none = getenv("NO_COLOR"), *kind = getenv("TERM");
    if (!isatty(fd))
        return (struct terminal){0, false};
    return (struct terminal){
        .columns = ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= NARROWEST ? size.ws_col : 0,
        .colour = !(none && none[0]) && !(kind && strcmp(kind, "dumb") == 0),
    };
}

static bool begins(const char *text, size_t length, const char *start)
{
    return length >= strlen(start) && memcmp(text, start, strlen(start)) == 0;
}

/* What of the line is painted, from its start: the verdict, a label, the user's line of code. */
static const char *colour_of(const char *line, size_t length, size_t *painted)
{
    static const struct {
        const char *start, *colour;
    } starts[] = {
        {"pipeshim: DEADLOCK", RED},
        {"pipeshim: STUCK", RED},
        {"pipeshim: BLOCKED", YELLOW},
        {"pipeshim: LAG ", YELLOW},
        {"pipeshim: FILLING", YELLOW},
        {"pipeshim: ", BOLD},
        {"  fix: ", CYAN},
        {"  now: ", CYAN},
    };
    *painted = 0;
    for (unsigned i = 0; i < sizeof starts / sizeof *starts; i++) {
        if (begins(line, length, starts[i].start)) {
            *painted = strlen(starts[i].start);
            return starts[i].colour;
        }
    }
    size_t indent = strspn(line, " ");
    if (indent < length && begins(line + indent, length - indent, "> ")) {
        *painted = length;
        return BOLD;
    }
    return NULL;
}

/* Columns that the text takes: one for each code point, as nearly all have it. */
static unsigned width_of(const char *text, size_t length)
{
    unsigned width = 0;
    for (size_t i = 0; i < length; i++)
        width += ((unsigned char)text[i] & 0xc0) != 0x80;
    return width;
}

/* Where the first of the lines that this one becomes ends; `at`: how far it is in already. */
static size_t break_at(const char *line, size_t length, unsigned at, unsigned columns)
{
    size_t last = 0;
    for (size_t i = strspn(line, " "); i < length; i++) {
        if (line[i] != ' ')
            continue;
        if (at + width_of(line, i) > columns)
            return last > 0 ? last : i;
        last = i;
    }
    return at + width_of(line, length) <= columns || last == 0 ? length : last;
}

static void write_line(FILE *out, const char *line, size_t length, const struct terminal *terminal)
{
    size_t painted, done = 0;
    const char *colour = colour_of(line, length, &painted);
    unsigned indent = 0;
    if (!terminal->colour || !colour)
        painted = 0;
    if (painted > 0)
        fputs(colour, out);
    while (done < length) {
        const char *rest = line + done;
        size_t part = terminal->columns == 0
                          ? length - done
                          : break_at(rest, length - done, indent, terminal->columns);
        for (unsigned i = 0; i < indent; i++)
            fputc(' ', out);
        size_t in_colour = painted > done ? painted - done < part ? painted - done : part : 0;
        fwrite(rest, 1, in_colour, out);
        if (painted > 0 && done + part >= painted && done < painted)
            fputs(PLAIN, out);
        fwrite(rest + in_colour, 1, part - in_colour, out);
        fputc('\n', out);
        done += part;
        done += strspn(line + done, " ");
        indent = (unsigned)strspn(line, " ") + DEEPER;
    }
    if (length == 0)
        fputc('\n', out);
}

void terminal_write(FILE *out, const char *text, size_t length, const struct terminal *terminal)
{
    if (terminal->columns == 0 && !terminal->colour) {
        fwrite(text, 1, length, out);
        return;
    }
    while (length > 0) {
        const char *end = memchr(text, '\n', length);
        size_t line = end ? (size_t)(end - text) : length;
        write_line(out, text, line, terminal);
        line += end ? 1 : 0;
        text += line;
        length -= line;
    }
}
