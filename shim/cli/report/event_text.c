// SPDX-License-Identifier: MIT
#include "cli/report/event_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/report/event_fields.h"
#include "cli/report/event_finding.h"
#include "cli/report/event_peer.h"
#include "cli/report/event_stack.h"
#include "cli/report/json_writer.h"
#include "cli/report/stack_view.h"

enum { LIVE_FRAMES_LIMIT = 12 };

/* Of the terminal on which it is shown: 0, so that no line is broken, where there is none. */
static unsigned terminal_columns(void)
{
    struct winsize size;
    return isatty(STDERR_FILENO) && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static void put(FILE *out, const char *text)
{
    write_clean(out, text, "");
}

/* Nothing at all if the field is missing. */
static void put_field(const json_t *object, const char *before, const char *key, const char *after,
                      FILE *out)
{
    const char *text = field_string(object, key);
    if (*text) {
        fputs(before, out);
        put(out, text);
        fputs(after, out);
    }
}

/* "pipeshim: WORD engine[2707] ": the words of the library's own text log. */
static void begin(const json_t *event, const char *word, FILE *out)
{
    int64_t pid = field_integer(event, "pid", 0);
    int64_t tid = field_integer(event, "tid", pid);
    fprintf(out, "pipeshim: %s ", word);
    put(out, base_name(field_string(event, "exe")));
    fprintf(out, "[%" PRId64 "] ", pid);
    if (tid != pid) {
        fputs("thread \"", out);
        put(out, field_string(event, "thread"));
        fprintf(out, "\"[%" PRId64 "] ", tid);
    }
}

static void write_duration(const json_t *event, const char *key, FILE *out)
{
    char text[32];
    int64_t duration = field_milliseconds(event, key);
    fputs(duration >= 0 ? duration_text(duration, text) : "some time", out);
}

static void write_object(const json_t *event, FILE *out)
{
    const char *object = field_string(event, "object");
    fputs(" on ", out);
    put(out, *object ? object : field_string(event, "class"));
}

static void write_fill(const json_t *pipe, FILE *out)
{
    const json_t *full = json_object_get(pipe, "full");
    int64_t used = field_integer(pipe, "used", -1);
    int64_t capacity = field_integer(pipe, "capacity", -1);
    if (json_is_boolean(full))
        fputs(json_is_true(full) ? ": full" : ": not full now", out);
    if (used >= 0)
        fprintf(out, "%s %" PRId64, json_is_boolean(full) ? "" : ":", used);
    if (used >= 0 && capacity >= 0)
        fprintf(out, " of %" PRId64, capacity);
    if (used >= 0)
        fputs(" bytes", out);
    int64_t slots = field_integer(pipe, "slots", -1),
            in_use = field_integer(pipe, "slots_used", -1);
    if (slots >= 0 && in_use >= 0)
        fprintf(out, ", %" PRId64 "/%" PRId64 " slots", in_use, slots);
}

static void write_peer(const json_t *event, FILE *out)
{
    char peer[PEER_TEXT_LIMIT];
    int32_t pid;
    peer_text(event, false, peer, sizeof peer, &pid);
    if (*peer) {
        fputs("  other end: ", out);
        put(out, peer);
        fputs("\n", out);
    }
}

static void write_native_frame(const json_t *frame, FILE *out)
{
    const char *symbol = field_string(frame, "symbol");
    const char *module = base_name(field_string(frame, "module"));
    const char *offset = field_string(frame, "offset");
    if (*symbol) {
        put(out, symbol);
    } else if (*offset) {
        put(out, offset);
    } else {
        fprintf(out, "0x%" PRIx64, (uint64_t)field_integer(frame, *module ? "offset" : "pc", 0));
    }
    if (*module) {
        fputs("  ", out);
        put(out, module);
    }
}

static void write_interpreted_frame(const json_t *frame, FILE *out)
{
    int64_t line = field_integer(frame, "line", 0);
    if (json_is_true(json_object_get(frame, "unreadable"))) {
        fputs("(a frame that could not be read)", out);
        return;
    }
    put(out, field_string(frame, "function"));
    fputs("  ", out);
    put(out, field_string(frame, "file"));
    if (line > 0)
        fprintf(out, ":%" PRId64, line);
}

/* The interpreter's own frames say nothing to who reads Python or JavaScript: then only these. */
static void write_stack(const json_t *event, FILE *out)
{
    const char *language = "";
    const json_t *frames = json_object_get(event, "stack");
    if (json_array_size(json_object_get(event, "python")) > 0)
        language = "python";
    else if (json_array_size(json_object_get(event, "javascript")) > 0)
        language = "javascript";
    bool interpreted = *language != '\0';
    if (interpreted)
        frames = json_object_get(event, language);
    size_t count = json_array_size(frames);
    size_t first = 0;
    while (first < count && event_frame_is_own(json_array_get(frames, first)))
        first++;
    if (first < count)
        fprintf(out, "  %s%sstack, taken while blocked, innermost first:\n", language,
                interpreted ? " " : "");
    else
        put_field(event, "  stack: shown before, id ", "stack_id", "\n", out);
    for (size_t i = first; i < count && i - first < LIVE_FRAMES_LIMIT; i++) {
        fprintf(out, "    #%zu ", i - first);
        (interpreted ? write_interpreted_frame : write_native_frame)(json_array_get(frames, i),
                                                                     out);
        fputs("\n", out);
    }
    if (count - first > LIVE_FRAMES_LIMIT)
        fprintf(out, "    and %zu outer frames\n", count - first - LIVE_FRAMES_LIMIT);
}

static void on_blocked(const json_t *event, FILE *out)
{
    int64_t fd = field_integer(event, "fd", -1);
    int64_t bytes = field_integer(event, "bytes", -1);
    begin(event, "BLOCKED", out);
    write_duration(event, "blocked_ms", out);
    put_field(event, " in ", "call", "(", out);
    if (fd >= 0)
        fprintf(out, "fd %" PRId64, fd);
    if (bytes >= 0)
        fprintf(out, "%s%" PRId64 " bytes", fd >= 0 ? ", " : "", bytes);
    fputs(")", out);
    write_object(event, out);
    write_fill(json_object_get(event, "pipe"), out);
    fputs(field_true(event, "loop") ? " [event loop]\n" : "\n", out);
    write_peer(event, out);
    put_field(event, "  note: ", "note", "\n", out);
    put_field(event, "  fix: ", "advice", "\n", out);
    write_stack(event, out);
}

static void on_unblocked(const json_t *event, FILE *out)
{
    begin(event, "RESOLVED", out);
    fputs("after ", out);
    write_duration(event, "blocked_ms", out);
    fprintf(out, " (report %" PRId64 ")\n", field_integer(event, "ref", 0));
}

static void on_lag(const json_t *event, FILE *out)
{
    begin(event, "LAG", out);
    fputs("event loop away for ", out);
    write_duration(event, "lag_ms", out);
    put_field(event, ", cause ", "cause", "", out);
    fputs("\n", out);
    write_stack(event, out);
}

static void on_lag_end(const json_t *event, FILE *out)
{
    begin(event, "LAG END", out);
    fputs("event loop back after ", out);
    write_duration(event, "lag_ms", out);
    fputs("\n", out);
}

static void on_filling(const json_t *event, FILE *out)
{
    begin(event, "FILLING", out);
    fputs("nobody reads", out);
    write_object(event, out);
    write_fill(json_object_get(event, "pipe"), out);
    fprintf(out, ", full in %" PRId64 " s\n", field_integer(event, "full_in_s", 0));
}

static void on_finding(const json_t *event, FILE *out)
{
    event_finding_write(event, terminal_columns(), out);
}

static void on_still(const json_t *event, FILE *out)
{
    begin(event, "STILL", out);
    fputs("blocked, by now for ", out);
    write_duration(event, "blocked_ms", out);
    put_field(event, "  ", "where", "", out);
    fputs("\n", out);
}

static void on_drain_drop(const json_t *event, FILE *out)
{
    bool with_init = strcmp(field_string(event, "reason"), "pid_namespace_ends") == 0;
    begin(event, with_init ? "LOST" : "DROPPED", out);
    fprintf(out, "%" PRId64 " bytes in %" PRId64 " writes: %s\n", field_integer(event, "bytes", 0),
            field_integer(event, "writes", 0),
            with_init ? "the first process of a PID namespace takes the drainer's helper with it"
                      : "the queue is full");
}

static void on_drain_handoff(const json_t *event, FILE *out)
{
    begin(event, "HANDOFF", out);
    fprintf(out,
            "%" PRId64 " bytes in %" PRId64 " writes are still queued: a helper process goes on "
            "sending them\n",
            field_integer(event, "bytes", 0), field_integer(event, "writes", 0));
}

static void on_drain_wait(const json_t *event, FILE *out)
{
    begin(event, "WAITS", out);
    fprintf(out, "the %s waits for %" PRId64 " queued bytes of fd %" PRId64,
            strcmp(field_string(event, "waits"), "exec") == 0 ? "exec" : "exit",
            field_integer(event, "bytes", 0), field_integer(event, "fd", -1));
    write_object(event, out);
    fputs(", which are not read", out);
    if (json_object_get(event, "limit_ms")) {
        fputs(": up to ", out);
        write_duration(event, "limit_ms", out);
    }
    fputs("\n", out);
}

static void on_drain_spool(const json_t *event, FILE *out)
{
    begin(event, "SPOOLED", out);
    fprintf(out, "%" PRId64 " bytes of fd %" PRId64 ", which nobody has read, are in ",
            field_integer(event, "bytes", 0), field_integer(event, "fd", -1));
    put(out, field_string(event, "path"));
    fprintf(out, " from byte %" PRId64 " on\n", field_integer(event, "offset", 0));
}

static void on_drain_start(const json_t *event, FILE *out)
{
    begin(event, "DRAINING", out);
    fprintf(out, "fd %" PRId64, field_integer(event, "fd", -1));
    write_object(event, out);
    fputs("\n", out);
}

static void on_action(const json_t *event, FILE *out)
{
    begin(event, "ACTION", out);
    put(out, field_string(event, "action"));
    fputs("\n", out);
}

static void on_warning(const json_t *event, FILE *out)
{
    begin(event, "WARNING", out);
    put(out, field_string(event, "message"));
    fputs("\n", out);
}

static const struct {
    const char *name;
    void (*write)(const json_t *event, FILE *out);
} kinds[] = {
    {"blocked", on_blocked},
    {"unblocked", on_unblocked},
    {"lag", on_lag},
    {"lag_end", on_lag_end},
    {"filling", on_filling},
    {"deadlock", on_finding},
    {"finding", on_finding},
    {"still", on_still},
    {"drain_start", on_drain_start},
    {"drain_drop", on_drain_drop},
    {"action", on_action},
    {"warning", on_warning},
    {"drain_wait", on_drain_wait},
    {"drain_spool", on_drain_spool},
    {"drain_handoff", on_drain_handoff},
};

void event_text_write(const json_t *event, FILE *out)
{
    const char *name = field_string(event, "event");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            kinds[i].write(event, out);
}
