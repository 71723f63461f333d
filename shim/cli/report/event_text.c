// SPDX-License-Identifier: MIT
#include "cli/report/event_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cli/report/event_fields.h"
#include "cli/report/event_peer.h"
#include "cli/report/json_writer.h"
#include "cli/report/stack_view.h"

enum { LIVE_FRAMES_LIMIT = 12 };

static void put(FILE *out, const char *text)
{
    write_clean(out, text, "");
}

static void put_field(const json_t *object, const char *before, const char *key, FILE *out)
{
    const char *text = field_string(object, key);
    if (*text) {
        fputs(before, out);
        put(out, text);
    }
}

static void write_process(const json_t *event, FILE *out)
{
    int64_t pid = field_integer(event, "pid", 0);
    int64_t tid = field_integer(event, "tid", pid);
    fputs("pipeshim: ", out);
    put(out, field_string(event, "exe"));
    fprintf(out, "[%" PRId64 "]", pid);
    if (tid != pid) {
        fprintf(out, " thread %" PRId64, tid);
        put_field(event, " ", "thread", out);
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
    int64_t fd = field_integer(event, "fd", -1);
    if (fd >= 0)
        fprintf(out, " fd %" PRId64, fd);
    put_field(event, fd >= 0 ? ", " : " on ", "object", out);
}

static void write_pipe(const json_t *event, FILE *out)
{
    const json_t *pipe = json_object_get(event, "pipe");
    int64_t used = field_integer(pipe, "used", -1);
    int64_t capacity = field_integer(pipe, "capacity", -1);
    char peer[PEER_TEXT_LIMIT];
    int32_t pid;
    if (used >= 0) {
        fprintf(out, "  pipe holds %" PRId64, used);
        if (capacity >= 0)
            fprintf(out, " of %" PRId64, capacity);
        fprintf(out, " bytes%s\n", field_true(pipe, "full") ? ": full" : "");
    }
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

static void write_python_frame(const json_t *frame, FILE *out)
{
    put(out, field_string(frame, "function"));
    fputs("  ", out);
    put(out, field_string(frame, "file"));
    fprintf(out, ":%" PRId64, field_integer(frame, "line", 0));
}

/* The interpreter's own frames say nothing to who reads Python: then only these. */
static void write_stack(const json_t *event, FILE *out)
{
    const json_t *python = json_object_get(event, "python");
    bool interpreted = json_array_size(python) > 0;
    const json_t *frames = interpreted ? python : json_object_get(event, "stack");
    size_t count = json_array_size(frames);
    for (size_t i = 0; i < count && i < LIVE_FRAMES_LIMIT; i++) {
        fprintf(out, "    #%-2zu ", i);
        (interpreted ? write_python_frame : write_native_frame)(json_array_get(frames, i), out);
        fputs("\n", out);
    }
    if (count > LIVE_FRAMES_LIMIT)
        fprintf(out, "    and %zu outer frames\n", count - LIVE_FRAMES_LIMIT);
}

static void write_advice(const json_t *event, FILE *out)
{
    const char *advice = field_string(event, "advice");
    if (*advice) {
        fputs("  fix: ", out);
        put(out, advice);
        fputs("\n", out);
    }
}

static void on_blocked(const json_t *event, FILE *out)
{
    write_process(event, out);
    fputs(" is blocked in ", out);
    put(out, field_string(event, "call"));
    write_object(event, out);
    fputs(", for ", out);
    write_duration(event, "blocked_ms", out);
    fputs(field_true(event, "loop") ? " so far, on an event loop\n" : " so far\n", out);
    write_pipe(event, out);
    write_advice(event, out);
    write_stack(event, out);
}

static void on_unblocked(const json_t *event, FILE *out)
{
    write_process(event, out);
    fputs(" goes on after ", out);
    write_duration(event, "blocked_ms", out);
    put_field(event, " in ", "call", out);
    fputs("\n", out);
}

static void on_lag(const json_t *event, FILE *out)
{
    write_process(event, out);
    fputs(" event loop away from its wait for ", out);
    write_duration(event, "lag_ms", out);
    put_field(event, ", cause ", "cause", out);
    fputs("\n", out);
    write_stack(event, out);
}

static void on_lag_end(const json_t *event, FILE *out)
{
    write_process(event, out);
    fputs(" event loop is back after ", out);
    write_duration(event, "lag_ms", out);
    fputs("\n", out);
}

static void on_filling(const json_t *event, FILE *out)
{
    const json_t *pipe = json_object_get(event, "pipe");
    write_process(event, out);
    fputs(" fills a pipe that is not read:", out);
    write_object(event, out);
    fprintf(out, " %" PRId64 " of %" PRId64 " bytes, full in %" PRId64 " s\n",
            field_integer(pipe, "used", 0), field_integer(pipe, "capacity", 0),
            field_integer(event, "full_in_s", 0));
}

static void on_deadlock(const json_t *event, FILE *out)
{
    const json_t *chain = json_object_get(event, "chain");
    fputs("pipeshim: DEADLOCK\n", out);
    for (size_t i = 0; i < json_array_size(chain); i++) {
        const json_t *member = json_array_get(chain, i);
        fputs("  ", out);
        put(out, field_string(member, "comm"));
        fprintf(out, "[%" PRId64 "] waits in ", field_integer(member, "pid", 0));
        put(out, field_string(member, "waits_in"));
        put_field(member, " on ", "object", out);
        if (field_integer(member, "for_pid", -1) >= 0)
            fprintf(out, " for [%" PRId64 "]", field_integer(member, "for_pid", -1));
        fputs("\n", out);
    }
    write_advice(event, out);
}

static void on_drain_drop(const json_t *event, FILE *out)
{
    write_process(event, out);
    fprintf(out, " dropped %" PRId64 " bytes in %" PRId64 " writes of its full queue\n",
            field_integer(event, "bytes", 0), field_integer(event, "writes", 0));
}

static void on_drain_start(const json_t *event, FILE *out)
{
    write_process(event, out);
    fputs(" queue takes over", out);
    write_object(event, out);
    fputs("\n", out);
}

static void on_action(const json_t *event, FILE *out)
{
    write_process(event, out);
    fputs(" action taken: ", out);
    put(out, field_string(event, "action"));
    fputs("\n", out);
}

static const struct {
    const char *name;
    void (*write)(const json_t *event, FILE *out);
} kinds[] = {
    {"blocked", on_blocked},         {"unblocked", on_unblocked},   {"lag", on_lag},
    {"lag_end", on_lag_end},         {"filling", on_filling},       {"deadlock", on_deadlock},
    {"drain_start", on_drain_start}, {"drain_drop", on_drain_drop}, {"action", on_action},
};

void event_text_write(const json_t *event, FILE *out)
{
    const char *name = field_string(event, "event");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            kinds[i].write(event, out);
}
