// SPDX-License-Identifier: MIT
#include "report/event_json_compact.h"

#include <string.h>

#include "base/script_name.h"
#include "report/javascript_frames.h"

enum { MODULES_LIMIT = 64, NAME_LIMIT = 96, FOR_STACK = 700, FOR_END = 64 };

enum naming { NAMED, NEW, IN_THIS_RECORD };

static bool is_compact;
/* Modules that a frame has named since the process began. child: kept, module_count counts */
static struct module {
    char name[NAME_LIMIT]; /* in frames: the path's last part, made unique */
    char path[MODULE_PATH_LIMIT];
    uint8_t build_id[BUILD_ID_LIMIT];
    uint8_t build_id_size;
    enum naming naming;
} modules[MODULES_LIMIT];
static unsigned module_count;

void event_compact_begin(bool compact)
{
    is_compact = compact;
    module_count = 0;
}

bool event_compact(void)
{
    return is_compact;
}

bool event_json_has_space(const struct json_writer *json, size_t usual, size_t least)
{
    return json_space(json) > (is_compact ? least : usual);
}

static bool is_name_taken(const char *name)
{
    for (unsigned i = 0; i < module_count; i++)
        if (strcmp(modules[i].name, name) == 0)
            return true;
    return false;
}

/* The module's name in frames: of two with the same last part of the path the second has its number
 * after it. Where no more can be remembered it is the path. */
static const char *name_of(const struct stack_frame_name *frame)
{
    struct text_buffer name;
    for (unsigned i = 0; i < module_count; i++)
        if (strcmp(modules[i].path, frame->module) == 0)
            return modules[i].name;
    if (module_count == MODULES_LIMIT)
        return frame->module;
    struct module *module = &modules[module_count];
    text_init(&name, module->name, sizeof module->name);
    text_format(&name, "%.*s", NAME_LIMIT - 8, path_last_part(frame->module));
    if (is_name_taken(module->name))
        text_format(&name, "#%u", module_count);
    memcpy(module->path, frame->module, sizeof module->path);
    memcpy(module->build_id, frame->build_id, sizeof module->build_id);
    module->build_id_size = frame->build_id_size;
    module->naming = NEW;
    module_count++;
    return module->name;
}

/* "SYMBOL+OFFSET MODULE+0xOFFSET": `?` has no name, and code of no module only its address. */
static void native_text(struct text_buffer *text, const struct stack_frame_name *frame)
{
    if (frame->symbol[0])
        text_format(text, "%s+%lu ", frame->symbol, (unsigned long)frame->symbol_offset);
    else
        text_string(text, "? ");
    if (frame->module[0]) {
        text_format(text, "%s+", name_of(frame));
        text_hex(text, frame->offset);
    } else {
        text_hex(text, frame->pc);
    }
}

/* True if one more string finds space, with `reserve` bytes after it. */
static bool fits(const struct json_writer *json, const char *frame, size_t reserve)
{
    return json_space(json) > json_quoted_size(frame) + 1 + reserve;
}

void event_compact_stack(struct json_writer *json, const struct stack_frame_name *frames,
                         unsigned count, bool complete)
{
    char frame[MODULE_PATH_LIMIT + SYMBOL_NAME_LIMIT + 64];
    struct text_buffer text;
    unsigned shown = 0;
    json_cut_strings(json, COMPACT_STRING, FOR_END);
    json_open(json, "stack", '[');
    for (; shown < count; shown++) {
        text_init(&text, frame, sizeof frame);
        native_text(&text, &frames[shown]);
        if (!fits(json, frame, FOR_END + COMPACT_MODULES))
            break;
        json_put_string(json, NULL, frame);
    }
    json_close(json, ']');
    if (shown < count || !complete)
        json_put_bool(json, "stack_truncated", true);
}

/* "FILE:LINE FUNCTION", line 0: not known. */
void event_compact_python(struct json_writer *json, const struct python_frame *frames,
                          unsigned count, unsigned omitted)
{
    char frame[PYTHON_FILE_LIMIT + PYTHON_FUNCTION_LIMIT + 32];
    struct text_buffer text;
    json_cut_strings(json, COMPACT_STRING, FOR_STACK);
    json_open(json, "python", '[');
    for (unsigned i = 0; i < count; i++) {
        text_init(&text, frame, sizeof frame);
        text_format(&text, "%s:%d %s", frames[i].file, frames[i].line, frames[i].function);
        if (!fits(json, frame, FOR_STACK + COMPACT_MODULES)) {
            omitted += count - i;
            break;
        }
        json_put_string(json, NULL, frame);
    }
    json_close(json, ']');
    if (omitted)
        json_put_unsigned(json, "python_omitted", omitted);
}

/* "FILE:LINE:COLUMN (near) (generated) FUNCTION": what is not known is left out, a line as 0. */
void event_compact_javascript(struct json_writer *json, const struct javascript_frame *frames,
                              unsigned count, unsigned omitted)
{
    char frame[JAVASCRIPT_FILE_LIMIT + JAVASCRIPT_FUNCTION_LIMIT + 64];
    struct text_buffer text;
    json_cut_strings(json, COMPACT_STRING, FOR_STACK);
    json_open(json, "javascript", '[');
    for (unsigned i = 0; i < count; i++) {
        text_init(&text, frame, sizeof frame);
        text_format(&text, "%s:%d", frames[i].file, frames[i].line);
        if (frames[i].line > 0 && frames[i].column > 0)
            text_format(&text, ":%d", frames[i].column);
        text_format(&text, "%s%s %s", frames[i].near ? " (near)" : "",
                    frames[i].generated ? " (generated)" : "",
                    frames[i].readable ? javascript_function_name(&frames[i]) : "(unreadable)");
        if (!fits(json, frame, FOR_STACK + COMPACT_MODULES)) {
            omitted += count - i;
            break;
        }
        json_put_string(json, NULL, frame);
    }
    json_close(json, ']');
    if (omitted)
        json_put_unsigned(json, "javascript_omitted", omitted);
}

static bool is_any_new(void)
{
    for (unsigned i = 0; i < module_count; i++)
        if (modules[i].naming == NEW)
            return true;
    return false;
}

static void module_text(struct json_writer *json, const struct module *module)
{
    char build_id[2 * BUILD_ID_LIMIT + 1];
    json_open(json, module->name, '{');
    json_put_string(json, "path", module->path);
    for (unsigned i = 0; i < module->build_id_size; i++) {
        build_id[2UL * i] = "0123456789abcdef"[module->build_id[i] >> 4];
        build_id[2UL * i + 1] = "0123456789abcdef"[module->build_id[i] & 15];
    }
    build_id[2UL * module->build_id_size] = '\0';
    if (module->build_id_size > 0)
        json_put_string(json, "build_id", build_id);
    json_close(json, '}');
}

void event_json_modules(struct json_writer *json)
{
    enum { FOR_ONE = 2 * BUILD_ID_LIMIT + 64 };
    if (!is_any_new())
        return;
    json_cut_strings(json, COMPACT_STRING, FOR_END / 2);
    json_open(json, "modules", '{');
    for (unsigned i = 0; i < module_count; i++) {
        struct module *module = &modules[i];
        if (module->naming != NEW || json_space(json) < json_quoted_size(module->path) +
                                                            json_quoted_size(module->name) +
                                                            FOR_ONE)
            continue;
        module_text(json, module);
        module->naming = IN_THIS_RECORD;
    }
    json_close(json, '}');
}

void event_compact_written(bool written)
{
    for (unsigned i = 0; i < module_count; i++)
        if (modules[i].naming == IN_THIS_RECORD)
            modules[i].naming = written ? NAMED : NEW;
}
