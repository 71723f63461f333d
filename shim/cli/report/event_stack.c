// SPDX-License-Identifier: MIT
#include "cli/report/event_stack.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/report/event_fields.h"
#include "cli/report/stack_view.h"

enum { KNOWN_PROBES = 64 };

static string_id intern_field(struct model *model, const json_t *object, const char *key)
{
    const char *text = field_string(object, key);
    return string_intern(&model->strings, text, strlen(text));
}

static bool is_build_id(const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if (!isxdigit((unsigned char)text[i]))
            return false;
    return length >= 4 && length <= 128 && length % 2 == 0;
}

static struct frame native_frame(struct model *model, const json_t *json, bool exact)
{
    struct frame frame = {.exact = exact,
                          .module = intern_field(model, json, "module"),
                          .function = intern_field(model, json, "symbol")};
    if (is_build_id(field_string(json, "build_id")))
        frame.build_id = intern_field(model, json, "build_id");
    frame.offset = field_address(json, frame.module ? "offset" : "pc");
    /* Code outside any module (a JIT's) moves from run to run: its name is its identity. */
    if (frame.module == 0 && frame.function != 0)
        frame.offset = 0;
    return frame;
}

static struct frame interpreted_frame(struct model *model, const json_t *json,
                                      enum language language)
{
    static const char unreadable[] = "(unreadable)";
    int64_t line = field_integer(json, "line", 0);
    struct frame frame = {.interpreted = (uint8_t)language,
                          .module = intern_field(model, json, "file"),
                          .offset = line > 0 && line <= INT32_MAX ? (uint64_t)line : 0,
                          .function = intern_field(model, json, "function"),
                          .near = field_true(json, "near"),
                          .generated = field_true(json, "generated")};
    if (json_is_true(json_object_get(json, "unreadable")))
        frame.function = string_intern(&model->strings, unreadable, sizeof unreadable - 1);
    return frame;
}

/* V8's own code: which of its ways a call goes through depends on how it has compiled the caller.
 */
static bool is_of_v8(const json_t *frame)
{
    const char *symbol = field_string(frame, "symbol");
    return *field_string(frame, "module") == '\0' || strncmp(symbol, "Builtins_", 9) == 0 ||
           strncmp(symbol, "_ZN2v88internal", 15) == 0 ||
           strncmp(symbol, "v8::internal::", 14) == 0;
}

/* Where the stack of that number is remembered, or would be; NULL if there is no room. */
static struct known_stack *find_known(const struct model *model, uint32_t process, string_id id)
{
    uint32_t key[2] = {process, id};
    uint32_t slot = hash_bytes(0, key, sizeof key);
    for (uint32_t i = 0; i < KNOWN_PROBES; i++) {
        struct known_stack *known = &model->known_stacks[(slot + i) % STACK_ID_LIMIT];
        if (known->id == 0 || (known->process == process && known->id == id))
            return known;
    }
    return NULL;
}

/* Of a stack with JavaScript frames only what they called: below, one function is another address
 * for each compiler. */
static uint32_t read_natives(struct model *model, const json_t *stack, bool lag, bool javascript,
                             uint32_t *frames)
{
    size_t size = json_array_size(stack);
    size_t first = 0;
    uint32_t count = 0;
    for (size_t i = 0; javascript && i < size; i++)
        if (is_of_v8(json_array_get(stack, i)))
            size = i;
    while (first < size && field_is_own_frame(json_array_get(stack, first)))
        first++;
    for (size_t i = first; i < size && count < STACK_LIMIT; i++) {
        const json_t *json = json_array_get(stack, i);
        /* A loop that computes was stopped between two instructions; a blocked call was left by
         * a call instruction, whose return address belongs to the line after. */
        struct frame frame = native_frame(model, json, i == 0 && lag);
        int32_t index = json_is_object(json) ? model_frame(model, &frame) : NONE;
        if (index != NONE)
            frames[count++] = (uint32_t)index;
    }
    return count;
}

/* Is `where`, "module+0x12 function", this frame? */
static bool is_at(const json_t *frame, const char *where)
{
    const char *module = field_string(frame, "module");
    char words[STRING_LENGTH_LIMIT];
    int length = snprintf(words, sizeof words, "%s+0x%" PRIx64 " ", base_name(module),
                          field_address(frame, "offset"));
    return *module && length < (int)sizeof words && strncmp(where, words, (size_t)length) == 0;
}

/* The log's own choice: which code is a library's was clearer to the library, before names were
 * demangled. */
uint32_t event_user_frame(struct model *model, const json_t *object, bool lag)
{
    const char *where = field_string(object, "where");
    const json_t *stack = json_object_get(object, "stack");
    for (size_t i = 0; *where && i < json_array_size(stack); i++) {
        const json_t *json = json_array_get(stack, i);
        if (!is_at(json, where))
            continue;
        struct frame frame = native_frame(model, json, i == 0 && lag);
        return (uint32_t)(model_frame(model, &frame) + 1);
    }
    return 0;
}

static uint32_t read_interpreted(struct model *model, const json_t *stack, enum language language,
                                 uint32_t *frames, uint32_t space)
{
    size_t size = json_array_size(stack);
    uint32_t count = 0;
    for (size_t i = 0; i < size && count < space; i++) {
        const json_t *json = json_array_get(stack, i);
        struct frame frame = interpreted_frame(model, json, language);
        int32_t index = json_is_object(json) ? model_frame(model, &frame) : NONE;
        if (index == NONE)
            continue;
        model->frames[index].near |= frame.near;
        model->frames[index].generated |= frame.generated;
        frames[count++] = (uint32_t)index;
    }
    return count;
}

uint32_t event_site(struct model *model, uint32_t process, const json_t *event,
                    const struct call_site *like)
{
    uint32_t frames[STACK_LIMIT];
    struct call_site site = *like;
    string_id id = intern_field(model, event, "stack_id");
    const json_t *javascript = json_object_get(event, "javascript");
    bool is_javascript = json_array_size(javascript) > 0;
    uint32_t natives = read_natives(model, json_object_get(event, "stack"), like->kind == SITE_LAG,
                                    is_javascript, frames);
    uint32_t interpreted =
        read_interpreted(model, is_javascript ? javascript : json_object_get(event, "python"),
                         is_javascript ? LANGUAGE_JAVASCRIPT : LANGUAGE_PYTHON, frames + natives,
                         STACK_LIMIT - natives);
    site.user_frame = interpreted > 0 ? 0 : event_user_frame(model, event, like->kind == SITE_LAG);
    struct known_stack *known = id != 0 ? find_known(model, process, id) : NULL;
    if (natives + interpreted == 0 && known && known->id != 0) {
        natives = known->native_count;
        interpreted = known->interpreted_count;
        site.user_frame = known->user_frame;
        memcpy(frames, model->site_frames + known->first_frame,
               (size_t)(natives + interpreted) * sizeof *frames);
    }
    site.native_count = (uint16_t)natives;
    site.interpreted_count = (uint16_t)interpreted;
    uint32_t index = model_site(model, &site, frames);
    if (id != 0 && !known)
        model->overflow.stacks++;
    else if (known && index != 0 && natives + interpreted > 0)
        *known = (struct known_stack){.process = process,
                                      .id = id,
                                      .first_frame = model->sites[index].first_frame,
                                      .native_count = site.native_count,
                                      .interpreted_count = site.interpreted_count,
                                      .user_frame = site.user_frame};
    return index;
}
