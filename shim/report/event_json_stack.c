// SPDX-License-Identifier: MIT
/* The stacks of an event: the C stack, Python's and JavaScript's frames. */
#include "base/clock.h"
#include "explain/user_frame.h"
#include "process/life.h"
#include "report/event_json_compact.h"
#include "report/event_json_parts.h"
#include "report/javascript_frames.h"

enum {
    SPACE_FOR_JAVASCRIPT_FRAME = 6 * (JAVASCRIPT_FILE_LIMIT + JAVASCRIPT_FUNCTION_LIMIT) + 250,
    SPACE_FOR_PYTHON_FRAME = 6 * (PYTHON_FILE_LIMIT + PYTHON_FUNCTION_LIMIT) + 100,
};

static void frame(struct json_writer *json, const struct stack_frame_name *name)
{
    char build_id[2 * BUILD_ID_LIMIT + 1];
    json_open(json, NULL, '{');
    json_put_hex(json, "pc", name->pc);
    if (name->module[0]) {
        json_put_string(json, "module", name->module);
        json_put_hex(json, "offset", name->offset);
    }
    if (name->build_id_size) {
        for (unsigned i = 0; i < name->build_id_size; i++) {
            build_id[2UL * i] = "0123456789abcdef"[name->build_id[i] >> 4];
            build_id[2UL * i + 1] = "0123456789abcdef"[name->build_id[i] & 15];
        }
        build_id[2UL * name->build_id_size] = '\0';
        json_put_string(json, "build_id", build_id);
    }
    if (name->symbol[0]) {
        json_put_string(json, "symbol", name->symbol);
        json_put_unsigned(json, "symbol_offset", name->symbol_offset);
    }
    json_close(json, '}');
}

void event_json_stack(struct json_writer *json, const struct stack_frame_name *frames,
                      unsigned count, bool complete, size_t keep)
{
    unsigned shown = 0;
    if (event_compact()) {
        event_compact_stack(json, frames, count, complete);
        return;
    }
    json_open(json, "stack", '[');
    while (shown < count && json_space(json) > SPACE_FOR_FRAME + keep)
        frame(json, &frames[shown++]);
    json_close(json, ']');
    if (shown < count || !complete)
        json_put_bool(json, "stack_truncated", true);
}

void event_json_python(struct json_writer *json, const struct python_frame *frames, unsigned count,
                       unsigned omitted, size_t keep)
{
    if (event_compact()) {
        event_compact_python(json, frames, count, omitted);
        return;
    }
    json_open(json, "python", '[');
    for (unsigned i = 0; i < count; i++) {
        const struct python_frame *frame = &frames[i];
        if (json_space(json) < SPACE_FOR_PYTHON_FRAME + keep) {
            omitted += count - i;
            break;
        }
        json_open(json, NULL, '{');
        json_put_string(json, "file", frame->file);
        if (frame->line > 0)
            json_put_signed(json, "line", frame->line);
        json_put_string(json, "function", frame->function);
        if (frame->awaits)
            json_put_bool(json, "awaits", true);
        json_close(json, '}');
    }
    json_close(json, ']');
    if (omitted)
        json_put_unsigned(json, "python_omitted", omitted);
}

static const char *const tiers[] = {
    [JAVASCRIPT_INTERPRETED] = "interpreted", [JAVASCRIPT_BASELINE] = "baseline",
    [JAVASCRIPT_MAGLEV] = "maglev",           [JAVASCRIPT_TURBOFAN] = "turbofan",
    [JAVASCRIPT_BUILTIN] = "builtin",
};

static void put_positive(struct json_writer *json, const char *key, int number)
{
    if (number > 0)
        json_put_signed(json, key, number);
}

static void put_if(struct json_writer *json, const char *key, bool flag)
{
    if (flag)
        json_put_bool(json, key, true);
}

static void javascript_frame(struct json_writer *json, const struct javascript_frame *frame)
{
    json_open(json, NULL, '{');
    if (frame->file[0])
        json_put_string(json, "file", frame->file);
    put_positive(json, "line", frame->line);
    put_positive(json, "column", frame->column);
    if (frame->readable)
        json_put_string(json, "function", javascript_function_name(frame));
    put_if(json, "unreadable", !frame->readable);
    put_positive(json, "function_line", frame->function_line);
    if (frame->tier < sizeof tiers / sizeof *tiers && tiers[frame->tier])
        json_put_string(json, "tier", tiers[frame->tier]);
    put_if(json, "inlined", frame->inlined);
    put_if(json, "near", frame->near);
    put_if(json, "generated", frame->generated);
    json_close(json, '}');
}

void event_json_javascript(struct json_writer *json, const struct javascript_frame *frames,
                           unsigned count, unsigned omitted, size_t keep)
{
    if (event_compact()) {
        event_compact_javascript(json, frames, count, omitted);
        return;
    }
    json_open(json, "javascript", '[');
    for (unsigned i = 0; i < count; i++) {
        if (json_space(json) < SPACE_FOR_JAVASCRIPT_FRAME + keep) {
            omitted += count - i;
            break;
        }
        javascript_frame(json, &frames[i]);
    }
    json_close(json, ']');
    if (omitted)
        json_put_unsigned(json, "javascript_omitted", omitted);
}

static void event_json_where(struct json_writer *json, const struct incident *incident)
{
    char where[WHERE_LIMIT];
    struct text_buffer text;
    text_init(&text, where, sizeof where);
    user_frame_words(&text, incident->python, incident->python_count, incident->javascript,
                     incident->javascript_count, incident->frames, incident->frame_count);
    if (where[0])
        json_put_string(json, "where", where);
}

void event_json_stacks(struct json_writer *json, const struct incident *incident, bool with_stack)
{
    json_put_hex(json, "stack_id", incident->stack_hash);
    json_put_unsigned(json, "explained_us",
                      (clock_monotonic_ns() - incident->begun_ns) / NS_PER_US);
    const size_t end = EVENT_SPACE_FOR_END, stack = EVENT_SPACE_FOR_STACK;
    event_json_where(json, incident);
    if (with_stack && incident->python_count)
        event_json_python(json, incident->python, incident->python_count, incident->python_omitted,
                          end + stack);
    if (with_stack && incident->javascript_count)
        event_json_javascript(json, incident->javascript, incident->javascript_count,
                              incident->javascript_omitted, end + stack);
    /* Empty: there was none to be had, of a thread that got no CPU. Left out: none was wanted. */
    if (with_stack && (incident->frame_count || settings_stack_depth(&settings) != 0))
        event_json_stack(json, incident->frames, incident->frame_count, incident->stack_complete,
                         end);
}
