// SPDX-License-Identifier: MIT
/*
 * pipeshim run CMD: the program under the library, its reports live, a summary at the end.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/relay/relay.h"
#include "cli/report/aggregate.h"
#include "cli/report/event_fields.h"
#include "cli/report/event_text.h"
#include "cli/report/formats.h"
#include "cli/report/source_lines.h"
#include "cli/run_annotations.h"
#include "cli/run_check.h"
#include "cli/run_environment.h"
#include "cli/run_log.h"
#include "cli/run_options.h"
#include "cli/run_output.h"
#include "cli/run_process.h"
#include "cli/terminal_text.h"

enum {
    SUMMARY_SITES = 8,
    TEXT_SUMMARY_LINES = 60,
    FOLLOW_EVERY_MS = 100, /* only where inotify(7) is not to be had */
    LONGEST_POLL_MS = 1000000,
    DEADLOCKS_REPORTED = 64,
    KILL_AFTER_S = 5,          /* --timeout: between SIGTERM and SIGKILL */
    EXIT_TIMED_OUT = 124,      /* as timeout(1) has it */
    LAST_WORDS_WAIT_MS = 2000, /* how long the summary waits for a reader of a full stderr */
};

struct session {
    struct run_options options;
    struct run_process process;
    struct relay relay;
    struct run_log log;
    struct run_output output;
    struct terminal terminal;
    struct model model;
    bool in_summary;                       /* RUN_LOG_TEXT: the line before belonged to a summary */
    char reported[DEADLOCKS_REPORTED][24]; /* ids of the latest */
    unsigned reported_count;
    uint64_t end_ns, kill_ns; /* --timeout: when it is over, when SIGKILL is sent; 0: not yet */
    unsigned text_summary;    /* lines of summaries that were shown */
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

/* For a person: broken and coloured where that is a terminal. */
static void piece_show(struct piece *piece, struct session *session)
{
    struct piece shown;
    if (!piece_open(&shown)) {
        piece_put(piece, &session->output);
        return;
    }
    fclose(piece->stream);
    terminal_write(shown.stream, piece->text, piece->length, &session->terminal);
    free(piece->text);
    piece_put(&shown, &session->output);
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
    piece_show(&piece, session);
}

/* The same deadlock or finding, from another of its members. In JSON every line is passed on. */
static bool is_reported(struct session *session, const json_t *event)
{
    const char *id = field_string(event, "id"), *name = field_string(event, "event");
    if (session->options.json || !*id ||
        (strcmp(name, "deadlock") != 0 && strcmp(name, "finding") != 0))
        return false;
    for (unsigned i = 0; i < DEADLOCKS_REPORTED; i++) {
        if (strcmp(session->reported[i], id) == 0)
            return true;
    }
    snprintf(session->reported[session->reported_count++ % DEADLOCKS_REPORTED],
             sizeof session->reported[0], "%s", id);
    return false;
}

/* What an interpreter runs, as the `start` of that process said; NULL. */
static const char *script_of(const struct model *model, const json_t *event)
{
    json_int_t pid = json_integer_value(json_object_get(event, "pid"));
    for (uint32_t i = model->process_count; i-- > 0;) { /* the youngest of that pid */
        const struct process *process = &model->processes[i];
        if (process->pid == pid)
            return process->is_script ? model_text(model, process->exe) : NULL;
    }
    return NULL;
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
    run_verdict_event(&session->options.verdict, event);
    if (is_reported(session, event))
        return; /* each member of a deadlock tells it */
    if (run_annotations_wanted()) {
        run_annotations_summary(event);
        if (piece_open(&piece)) {
            run_annotations_write(event, piece.stream);
            piece_put(&piece, &session->output);
        }
    }
    if (session->log.kind != RUN_LOG_PRIVATE || !piece_open(&piece))
        return;
    if (session->options.json) {
        fwrite(line, 1, length, piece.stream);
        fputc('\n', piece.stream);
        piece_put(&piece, &session->output);
    } else {
        event_text_write(event, script_of(&session->model, event), piece.stream);
        piece_show(&piece, session);
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Until the next step of --timeout; -1: there is none. */
static int milliseconds_left(const struct session *session)
{
    uint64_t next = session->kill_ns ? session->kill_ns : session->end_ns, now = now_ns();
    if (next == 0 || next == UINT64_MAX)
        return -1;
    uint64_t left = next > now ? (next - now) / NS_PER_MS + 1 : 0;
    return left > LONGEST_POLL_MS ? LONGEST_POLL_MS : (int)left;
}

static void wait_for_news(struct session *session)
{
    struct pollfd news[] = {
        {.fd = session->process.signal_fd, .events = POLLIN},
        {.fd = session->log.inotify_fd, .events = POLLIN},
        {.fd = run_output_pending(&session->output) ? session->output.fd : -1, .events = POLLOUT},
    };
    bool must_poll = session->log.kind == RUN_LOG_PRIVATE && session->log.inotify_fd < 0;
    int patience = must_poll ? FOLLOW_EVERY_MS : milliseconds_left(session);
    while (poll(news, sizeof news / sizeof *news, patience) < 0 && errno == EINTR)
        ;
}

static void say_time_out(const struct session *session)
{
    char duration[32], *line = NULL;
    int length = asprintf(
        &line, "pipeshim run: %s has not ended within %s (--timeout); this is what it waits for:\n",
        session->options.command[0],
        duration_text((int64_t)(session->options.timeout_ns / NS_PER_US), duration));
    if (length > 0)
        terminal_write(stderr, line, (size_t)length, &session->terminal);
    free(line);
}

/* The end of --timeout: what it hangs in is reported before it is killed for it. */
static void on_time_out(struct session *session)
{
    uint64_t now = now_ns();
    if (session->end_ns == 0 || now < session->end_ns)
        return;
    if (session->kill_ns == 0) {
        session->kill_ns = now + (uint64_t)KILL_AFTER_S * NS_PER_S;
        say_time_out(session);
        diagnose_tree(session->process.pid);
        run_process_kill_tree(&session->process, SIGTERM);
    } else if (now >= session->kill_ns) {
        run_process_kill_tree(&session->process, SIGKILL);
        session->kill_ns = UINT64_MAX;
    }
}

static void write_summary(struct session *session)
{
    struct piece piece;
    /* In JSON the library's own summary events say it, each process for itself. */
    bool json_stream = session->options.json && session->log.kind == RUN_LOG_PRIVATE;
    if (is_off("PIPESHIM_SUMMARY") || is_off("PIPESHIM") || json_stream || !piece_open(&piece))
        return;
    /* With %p in its name a log is made at the first report. */
    bool silent = session->log.kind == RUN_LOG_JSON && session->model.process_count == 0;
    if (session->log.kind == RUN_LOG_OTHER || session->log.kind == RUN_LOG_TEXT || silent) {
        fprintf(piece.stream, "pipeshim: %s in %s\n",
                session->text_summary > 0 ? "all reports are" : "reports, if any, are",
                session->log.path);
    } else {
        if (session->model.calls > 0)
            source_lines_resolve(&session->model, &(struct source_lines_options){0});
        format_summary(&session->model, SUMMARY_SITES, piece.stream);
    }
    piece_show(&piece, session);
}

static void follow_to_the_end(struct session *session)
{
    while (!session->process.ended) {
        wait_for_news(session);
        run_log_follow(&session->log, on_event, session);
        run_output_flush(&session->output);
        run_process_signals(&session->process);
        on_time_out(session);
    }
    relay_wait(&session->relay, session->process.signal_fd);
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
    if (!run_check_settings(session.options.command[0]))
        return EXIT_USAGE;
    run_check_filter();
    status = run_environment_preload(session.options.library);
    if (status != 0)
        return status;
    session.terminal = terminal_of(STDERR_FILENO);
    if (!model_open(&session.model) || !run_output_open(&session.output)) {
        fputs("pipeshim run: out of memory\n", stderr);
        return EXIT_UNAVAILABLE;
    }
    if (!run_log_open(&session.log, session.options.json)) {
        run_log_close(&session.log);
        return EXIT_UNAVAILABLE;
    }
    relay_open(&session.relay, session.options.command[0], run_check_values(), &session.log);
    status = run_process_start(&session.process, session.options.command, &session.relay);
    relay_let_go(&session.relay, status == 0 ? session.process.pid : 0);
    if (session.options.timeout_ns != 0)
        session.end_ns = now_ns() + session.options.timeout_ns;
    if (status == 0)
        follow_to_the_end(&session);
    run_log_close(&session.log);
    run_output_close(&session.output);
    model_close(&session.model);
    if (status != 0)
        return status;
    if (session.kill_ns != 0)
        return EXIT_TIMED_OUT;
    if (session.options.verdict.words[0] && run_process_succeeded(&session.process)) {
        fprintf(stderr, "pipeshim run: status %d by --fail-on: %s\n", EXIT_FAILED_ON,
                session.options.verdict.words);
        return EXIT_FAILED_ON;
    }
    run_process_exit_like(&session.process);
}
