// SPDX-License-Identifier: MIT
/*
 * pipeshim run CMD: the program under the library, its reports live, a summary at the end.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/report/aggregate.h"
#include "cli/report/event_text.h"
#include "cli/report/formats.h"
#include "cli/report/source_lines.h"
#include "cli/run_environment.h"
#include "cli/run_log.h"
#include "cli/run_options.h"
#include "cli/run_output.h"
#include "cli/run_process.h"

enum {
    SUMMARY_SITES = 8,
    TEXT_SUMMARY_LINES = 60,
    FOLLOW_EVERY_MS = 100,     /* only where inotify(7) is not to be had */
    LAST_WORDS_WAIT_MS = 2000, /* how long the summary waits for a reader of a full stderr */
};

struct session {
    struct run_options options;
    struct run_process process;
    struct run_log log;
    struct run_output output;
    struct model model;
    bool in_summary;       /* RUN_LOG_TEXT: the line before belonged to a summary */
    unsigned text_summary; /* lines of summaries that were shown */
};

/* A stream into memory, whose text goes to stderr as one piece. */
struct piece {
    char *text;
    size_t length;
    FILE *stream;
};

static bool piece_open(struct piece *piece)
{
    *piece = (struct piece){0};
    piece->stream = open_memstream(&piece->text, &piece->length);
    return piece->stream != NULL;
}

static void piece_put(struct piece *piece, struct run_output *output)
{
    fclose(piece->stream);
    if (piece->length > 0)
        run_output_put(output, piece->text, piece->length);
    free(piece->text);
}

static bool is_off(const char *name)
{
    const char *value = getenv(name);
    return value && strcmp(value, "off") == 0;
}

/* A line of the library's text log at the end: its summaries, each a headline and indented lines,
 * are shown again. */
static void on_text(struct session *session, const char *line, size_t length)
{
    static const char headline[] = "pipeshim: SUMMARY ";
    struct piece piece;
    if (length == 0 || line[0] != ' ')
        session->in_summary =
            length >= sizeof headline - 1 && memcmp(line, headline, sizeof headline - 1) == 0;
    if (!session->in_summary || session->text_summary >= TEXT_SUMMARY_LINES || !piece_open(&piece))
        return;
    fwrite(line, 1, length, piece.stream);
    fputc('\n', piece.stream);
    session->text_summary++;
    piece_put(&piece, &session->output);
}

/* A report of our own file: shown while the call still hangs. */
static void on_event(void *context, const char *line, size_t length, json_t *event)
{
    struct session *session = context;
    struct piece piece;
    if (!event) {
        if (!is_off("PIPESHIM_SUMMARY"))
            on_text(session, line, length);
        return;
    }
    aggregate_event(&session->model, event, 0);
    if (session->log.kind != RUN_LOG_PRIVATE || !piece_open(&piece))
        return;
    if (session->options.json) {
        fwrite(line, 1, length, piece.stream);
        fputc('\n', piece.stream);
    } else {
        event_text_write(event, piece.stream);
    }
    piece_put(&piece, &session->output);
}

static void wait_for_news(struct session *session)
{
    struct pollfd news[] = {
        {.fd = session->process.signal_fd, .events = POLLIN},
        {.fd = session->log.inotify_fd, .events = POLLIN},
        {.fd = run_output_pending(&session->output) ? session->output.fd : -1, .events = POLLOUT},
    };
    bool must_look = session->log.kind == RUN_LOG_PRIVATE && session->log.inotify_fd < 0;
    while (poll(news, sizeof news / sizeof *news, must_look ? FOLLOW_EVERY_MS : -1) < 0 &&
           errno == EINTR)
        ;
}

static void write_summary(struct session *session)
{
    struct piece piece;
    /* In JSON the library's own summary events say it, each process for itself. */
    bool json_stream = session->options.json && session->log.kind == RUN_LOG_PRIVATE;
    if (is_off("PIPESHIM_SUMMARY") || is_off("PIPESHIM") || json_stream || !piece_open(&piece))
        return;
    if (session->log.kind == RUN_LOG_OTHER || session->log.kind == RUN_LOG_TEXT) {
        fprintf(piece.stream, "pipeshim: %s in %s\n",
                session->text_summary > 0 ? "all reports are" : "reports, if any, are",
                session->log.path);
    } else {
        if (session->model.calls > 0)
            source_lines_resolve(&session->model, &(struct source_lines_options){0});
        format_summary(&session->model, SUMMARY_SITES, piece.stream);
    }
    piece_put(&piece, &session->output);
}

static void follow_to_the_end(struct session *session)
{
    while (!session->process.ended) {
        wait_for_news(session);
        run_log_follow(&session->log, on_event, session);
        run_output_flush(&session->output);
        run_process_signals(&session->process);
    }
    run_log_finish(&session->log, on_event, session);
    aggregate_finish(&session->model);
    write_summary(session);
    run_output_finish(&session->output, LAST_WORDS_WAIT_MS);
}

int command_run(int argc, char **argv)
{
    static struct session session;
    int status = 0;
    if (!run_options_parse(argc, argv, &session.options, &status))
        return status;
    status = run_environment_preload(session.options.library);
    if (status != 0)
        return status;
    if (!model_open(&session.model) || !run_output_open(&session.output)) {
        fputs("pipeshim run: out of memory\n", stderr);
        return EXIT_UNAVAILABLE;
    }
    if (!run_log_open(&session.log, session.options.json)) {
        run_log_close(&session.log);
        return EXIT_UNAVAILABLE;
    }
    status = run_process_start(&session.process, session.options.command);
    if (status == 0)
        follow_to_the_end(&session);
    run_log_close(&session.log);
    run_output_close(&session.output);
    model_close(&session.model);
    if (status != 0)
        return status;
    run_process_exit_like(&session.process);
}
