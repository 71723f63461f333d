// SPDX-License-Identifier: MIT
/*
 * pipeshim report LOG…: reads logs, writes one report.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/report/aggregate.h"
#include "cli/report/formats.h"
#include "cli/report/log_reader.h"
#include "cli/report/source_lines.h"

enum report_format {
    FORMAT_TEXT,
    FORMAT_FOLDED,
    FORMAT_SPEEDSCOPE,
    FORMAT_PERFETTO,
    FORMAT_HTML,
    FORMAT_MARKDOWN,
    FORMAT_JUNIT,
    FORMAT_OTLP
};

static const char *const format_names[] = {"text", "folded",   "speedscope", "perfetto",
                                           "html", "markdown", "junit",      "otlp-json"};

enum { DEFAULT_LIMIT = 20 };

struct settings {
    enum report_format format;
    const char *output; /* NULL or "-": stdout */
    uint32_t limit;
    bool lines; /* look for file:line */
    struct source_lines_options source_lines;
};

/* What is said at the end, over all logs. */
struct reading {
    uint64_t lines, damaged, bytes;
    unsigned failed; /* logs that could not be opened or read to their end */
};

static const char help[] =
    "usage: pipeshim report [OPTIONS] LOG...\n"
    "\n"
    "Reads the JSON logs (PIPESHIM_FORMAT=json) of one or many processes and hosts; - is stdin.\n"
    "\n"
    "  -f, --format FORMAT     text (default): call sites by time blocked, for people\n"
    "                          folded: stacks with microseconds, for flame graph tools\n"
    "                          speedscope: for https://www.speedscope.app\n"
    "                          perfetto: Chrome trace JSON, for https://ui.perfetto.dev\n"
    "                          html: one page with timeline, table and flame graph\n"
    "                          markdown: for an issue; junit: for a CI server\n"
    "                          otlp-json: spans, for OpenTelemetry\n"
    "  -o, --output FILE       write there, not to stdout\n"
    "  -n, --limit N           call sites in text (default 20)\n"
    "      --no-lines          do not look for file:line\n"
    "      --debuginfo-path P  folders with debug files by build-id (default /usr/lib/debug);\n"
    "                          a list with : between\n"
    "      --debuginfod        also ask the servers in DEBUGINFOD_URLS for debug files\n"
    "      --help, --version\n"
    "\n"
    "Exit status: 0; 1 if a log could not be read or the report not be written; 64 wrong use.\n";

static int print_help(void)
{
    return fputs(help, stdout) < 0 || fflush(stdout) != 0;
}

static bool parse_format(const char *text, enum report_format *format)
{
    for (size_t i = 0; i < sizeof format_names / sizeof *format_names; i++) {
        if (strcmp(text, format_names[i]) == 0) {
            *format = (enum report_format)i;
            return true;
        }
    }
    return false;
}

static bool parse_limit(const char *text, uint32_t *limit)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value > 1000000)
        return false;
    *limit = (uint32_t)value;
    return true;
}

enum { OPTION_NO_LINES = 1000, OPTION_DEBUGINFO_PATH, OPTION_DEBUGINFOD };

static int take_option(int option, void *context)
{
    struct settings *settings = context;
    switch (option) {
    case 'f':
        return parse_format(optarg, &settings->format)
                   ? OPTIONS_READ
                   : usage_error("report",
                                 "'%s' is not a format: text, folded, speedscope, perfetto, "
                                 "html, markdown, junit, otlp-json",
                                 optarg);
    case 'n':
        return parse_limit(optarg, &settings->limit)
                   ? OPTIONS_READ
                   : usage_error("report", "'%s' is not a number of call sites", optarg);
    case 'o':
        settings->output = optarg;
        break;
    case OPTION_NO_LINES:
        settings->lines = false;
        break;
    case OPTION_DEBUGINFO_PATH:
        settings->source_lines.debug_path = optarg;
        break;
    default: /* OPTION_DEBUGINFOD */
        settings->source_lines.debuginfod = true;
        break;
    }
    return OPTIONS_READ;
}

/* OPTIONS_READ, or the status to exit with. */
static int read_options(int argc, char **argv, struct settings *settings)
{
    static const struct option known[] = {
        {"format", required_argument, NULL, 'f'},
        {"output", required_argument, NULL, 'o'},
        {"limit", required_argument, NULL, 'n'},
        {"no-lines", no_argument, NULL, OPTION_NO_LINES},
        {"debuginfo-path", required_argument, NULL, OPTION_DEBUGINFO_PATH},
        {"debuginfod", no_argument, NULL, OPTION_DEBUGINFOD},
        OPTIONS_OF_ALL,
    };
    static const struct command_options reading = {"report", ":f:o:n:h", known, print_help,
                                                   take_option};
    *settings = (struct settings){.limit = DEFAULT_LIMIT, .lines = true};
    int status = options_read(&reading, argc, argv, settings);
    if (status == OPTIONS_READ && optind == argc)
        return usage_error("report", "no LOG is given");
    return status;
}

static void read_log(struct model *model, const char *path, int file, struct reading *reading)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct log_reader reader = {0};
    uint64_t events = model->events;
    if (fd < 0 || !log_reader_open(&reader, fd)) {
        fprintf(stderr, "pipeshim report: %s: %s\n", path, strerror(fd < 0 ? errno : ENOMEM));
        reading->failed++;
        if (fd >= 0 && !standard)
            close(fd);
        return;
    }
    for (json_t *event; (event = log_reader_next(&reader)) != NULL; json_decref(event))
        aggregate_event(model, event, file);
    json_t *last = reader.error ? NULL : log_reader_last(&reader);
    if (last)
        aggregate_event(model, last, file);
    json_decref(last);
    if (reader.error) {
        fprintf(stderr, "pipeshim report: %s: %s\n", path, strerror(reader.error));
        reading->failed++;
    }
    if (!reader.error && reader.damaged > 0 && model->events == events) {
        fprintf(
            stderr,
            "pipeshim report: %s: not a log; expected JSON Lines as PIPESHIM_FORMAT=json writes "
            "them\n",
            path);
        reading->failed++;
    }
    reading->lines += reader.lines;
    reading->damaged += reader.damaged;
    reading->bytes += reader.bytes;
    log_reader_close(&reader);
    if (!standard)
        close(fd);
}

/* Opening FILE for writing would empty a log of that name before it is read. */
static bool is_a_log(const char *output, char **logs, int count)
{
    struct stat wanted;
    struct stat log;
    if (stat(output, &wanted) != 0 || !S_ISREG(wanted.st_mode))
        return false;
    for (int i = 0; i < count; i++)
        if (stat(logs[i], &log) == 0 && log.st_dev == wanted.st_dev && log.st_ino == wanted.st_ino)
            return true;
    return false;
}

static void write_format(const struct model *model, const struct settings *settings, FILE *out)
{
    switch (settings->format) {
    case FORMAT_TEXT:
        format_text(model, settings->limit, out);
        break;
    case FORMAT_FOLDED:
        format_folded(model, out);
        break;
    case FORMAT_SPEEDSCOPE:
        format_speedscope(model, out);
        break;
    case FORMAT_PERFETTO:
        format_perfetto(model, out);
        break;
    case FORMAT_HTML:
        format_html(model, out);
        break;
    case FORMAT_MARKDOWN:
        format_markdown(model, settings->limit, out);
        break;
    case FORMAT_JUNIT:
        format_junit(model, out);
        break;
    case FORMAT_OTLP:
        format_otlp(model, out);
        break;
    }
}

static bool write_report(const struct model *model, const struct settings *settings)
{
    bool to_stdout = !settings->output || strcmp(settings->output, "-") == 0;
    FILE *out = to_stdout ? stdout : fopen(settings->output, "we");
    bool written = false;
    if (out) {
        write_format(model, settings, out);
        written = fflush(out) == 0 && !ferror(out);
        if (!to_stdout)
            written = fclose(out) == 0 && written;
    }
    if (!written)
        fprintf(stderr, "pipeshim report: %s: %s\n", to_stdout ? "stdout" : settings->output,
                strerror(errno));
    return written;
}

static void say(uint64_t count, const char *one, const char *many, const char *what)
{
    if (count > 0)
        fprintf(stderr, "pipeshim report: %" PRIu64 " %s %s\n", count, count == 1 ? one : many,
                what);
}

/* What the report could not use, on stderr: the report may go to a tool. */
static void write_remarks(const struct model *model, const struct settings *settings,
                          const struct reading *reading)
{
    uint64_t missing = 0;
    for (uint32_t i = 0; i < model->process_count; i++)
        missing += process_missing(&model->processes[i]);
    say(reading->damaged, "line is", "lines are", "damaged, cut or too long; skipped");
    say(model->odd.unusable, "line holds", "lines hold", "JSON but no event; skipped");
    say(model->odd.incomplete, "event lacks", "events lack", "fields; not counted");
    say(model->odd.unknown, "event is", "events are", "of a kind that this version does not know");
    say(model->odd.held_back, "report is", "reports are",
        "counted by the library but not in the logs (PIPESHIM_RATE)");
    say(model->odd.suppressed, "report was", "reports were",
        "suppressed by rules (PIPESHIM_SUPPRESS)");
    say(model->odd.lost, "line", "lines", "could not be written by the library");
    say(model->odd.orphans, "call is known by its end alone: its `blocked` event is",
        "calls are known by their end alone: their `blocked` events are",
        "not in these logs (an older part of them, or lost)");
    say(missing, "event is", "events are",
        "missing by the numbers: dropped by the library or lost with lines");
    format_limits(model, "pipeshim report: ", stderr);
    bool timeline = settings->format == FORMAT_PERFETTO || settings->format == FORMAT_HTML ||
                    settings->format == FORMAT_OTLP;
    if (timeline && model->overflow.slices > 0)
        fprintf(stderr,
                "pipeshim report: the timeline shows the longest %u calls; %" PRIu64
                " shorter ones are left out of it\n",
                model->slice_count, model->overflow.slices);
    if (model->events == 0)
        fprintf(stderr,
                "pipeshim report: no events in %" PRIu64 " lines (was the log written with "
                "PIPESHIM_FORMAT=json?)\n",
                reading->lines);
}

int command_report(int argc, char **argv)
{
    struct settings settings;
    int status = read_options(argc, argv, &settings);
    if (status != OPTIONS_READ)
        return status;
    char **logs = argv + optind;
    int log_count = argc - optind;
    if (settings.output && is_a_log(settings.output, logs, log_count))
        return usage_error("report", "'%s' is one of the logs", settings.output);
    if (settings.source_lines.debuginfod && !getenv("DEBUGINFOD_URLS"))
        return usage_error("report",
                           "--debuginfod needs the servers' addresses in DEBUGINFOD_URLS");

    static struct model model;
    struct reading reading = {0};
    if (!model_open(&model)) {
        fputs("pipeshim report: out of memory\n", stderr);
        return 1;
    }
    for (int i = 0; i < log_count; i++)
        read_log(&model, logs[i], i, &reading);
    aggregate_finish(&model);
    if (settings.lines) {
        source_lines_resolve(&model, &settings.source_lines);
        aggregate_lines(&model);
    }
    bool written = write_report(&model, &settings);
    write_remarks(&model, &settings, &reading);
    model_close(&model);
    return written && reading.failed == 0 ? 0 : 1;
}
