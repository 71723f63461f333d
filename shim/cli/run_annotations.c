// SPDX-License-Identifier: MIT
#include "cli/run_annotations.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/report/event_fields.h"
#include "cli/report/event_finding.h"
#include "cli/report/markdown.h"
#include "report/finding_text.h"

bool run_annotations_wanted(void)
{
    const char *value = getenv("GITHUB_ACTIONS");
    return value && strcmp(value, "true") == 0;
}

/* The runner's own escapes (actions/toolkit, command.ts): of the message, and of a property. */
static void escaped(const char *text, bool property, FILE *out)
{
    for (; *text; text++) {
        if (*text == '%')
            fputs("%25", out);
        else if (*text == '\r')
            fputs("%0D", out);
        else if (*text == '\n')
            fputs("%0A", out);
        else if (property && *text == ':')
            fputs("%3A", out);
        else if (property && *text == ',')
            fputs("%2C", out);
        else if ((unsigned char)*text < ' ' || *text == 0x7f)
            fputc('?', out); /* no command for the terminal that shows the runner's log */
        else
            fputc(*text, out);
    }
}

/* Paths of the checkout are reported relative to it: an absolute one finds no place in the diff. */
static const char *relative(const char *path)
{
    const char *root = getenv("GITHUB_WORKSPACE");
    size_t length = root ? strlen(root) : 0;
    if (length > 0 && strncmp(path, root, length) == 0 && path[length] == '/')
        return path + length + 1;
    return path;
}

/* "file:line function" in its parts; false when it is not of that form. */
static bool split_where(const char *where, char *file, size_t capacity, long *line)
{
    const char *space = strrchr(where, ' ');
    const char *colon = space;
    while (colon && colon > where && *colon != ':')
        colon--;
    if (!colon || *colon != ':')
        return false;
    snprintf(file, capacity, "%.*s", (int)(colon - where), where);
    *line = strtol(colon + 1, NULL, 10);
    return *line > 0;
}

/* The line to change is that of who waits, which the chain has; the writer's is a symptom. */
static const char *where_of(const json_t *event)
{
    const json_t *chain = json_object_get(event, "chain");
    for (size_t i = json_array_size(chain); i > 0; i--) {
        const char *where = field_string(json_array_get(chain, i - 1), "where");
        if (*where)
            return where;
    }
    return field_string(event, "where");
}

void run_annotations_write(const json_t *event, FILE *out)
{
    const char *name = field_string(event, "event");
    bool deadlock = strcmp(name, "deadlock") == 0;
    char file[1024];
    long line;
    if (!deadlock && strcmp(name, "finding") != 0)
        return;
    fprintf(out, "::%s ", deadlock ? "error" : "warning");
    if (split_where(where_of(event), file, sizeof file, &line)) {
        fputs("file=", out);
        escaped(relative(file), true, out);
        fprintf(out, ",line=%ld,", line);
    }
    fprintf(out, "title=pipeshim %s::", deadlock ? "DEADLOCK" : "STUCK");
    escaped(field_string(event, "words"), false, out);
    fputs("%0Afix: ", out);
    escaped(field_string(event, "advice"), false, out);
    fputc('\n', out);
}

static void write_link(const json_t *link, FILE *file)
{
    const char *comm = field_string(link, "comm");
    fputs("| ", file);
    markdown_text(*field_string(link, "name") ? field_string(link, "name") : comm, file);
    fprintf(file, " (%lld) | ", (long long)field_integer(link, "pid", 0));
    markdown_text(field_string(link, "waits_in"), file);
    fputc(' ', file);
    markdown_text(field_string(link, "object"), file);
    fputs(" | ", file);
    markdown_text(relative(field_string(link, "where")), file);
    fputs(" |\n", file);
}

static void write_summary(const json_t *event, FILE *file)
{
    static struct event_finding read;
    static char lines[4096];
    struct text_buffer text;
    event_finding_read(event, &read);
    text_init(&text, lines, sizeof lines);
    finding_text_first_line(&text, &(struct finding_report){.finding = &read.finding,
                                                            .blocked_ns = read.blocked_ns,
                                                            .scans = 2});
    fputs("### pipeshim: ", file);
    markdown_text(lines, file);
    fputs("\n\n**what:** ", file);
    markdown_text(field_string(event, "words"), file);
    fputs("\n\n| process | waits in | line |\n|---|---|---|\n", file);
    const json_t *chain = json_object_get(event, "chain");
    for (size_t i = 0; i < json_array_size(chain); i++)
        write_link(json_array_get(chain, i), file);
    fputs("\n**fix:** ", file);
    markdown_text(field_string(event, "advice"), file);
    if (*field_string(event, "rescue"))
        fputs("\n\n**now:** ", file);
    markdown_text(field_string(event, "rescue"), file);
    fputs("\n\n", file);
}

void run_annotations_summary(const json_t *event)
{
    const char *path = getenv("GITHUB_STEP_SUMMARY");
    const char *name = field_string(event, "event");
    if (!path || !*path || (strcmp(name, "deadlock") != 0 && strcmp(name, "finding") != 0))
        return;
    FILE *file = fopen(path, "ae");
    if (!file) {
        fprintf(stderr, "pipeshim run: GITHUB_STEP_SUMMARY=%s: %s; the summary has no table\n",
                path, strerror(errno));
        unsetenv("GITHUB_STEP_SUMMARY");
        return;
    }
    write_summary(event, file);
    fclose(file);
}
