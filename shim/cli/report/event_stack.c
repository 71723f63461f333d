// SPDX-License-Identifier: MIT
#include "cli/report/event_stack.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report/event_fields.h"

static string_id intern_field(struct model *model, const json_t *object, const char *key)
{
    const char *text = field_string(object, key);
    return string_intern(&model->strings, text, strlen(text));
}

/* Addresses may be numbers, or strings ("0x1234"): JSON numbers lose bits above 2^53 in some
 * readers. */
static uint64_t address_field(const json_t *object, const char *key)
{
    const char *text = field_string(object, key);
    if (*text)
        return strtoull(text, NULL, 0);
    int64_t value = field_integer(object, key, 0);
    return (uint64_t)value;
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
    frame.offset = address_field(json, frame.module ? "offset" : "pc");
    /* Code outside any module (a JIT's) moves from run to run: its name is its identity. */
    if (frame.module == 0 && frame.function != 0)
        frame.offset = 0;
    return frame;
}

static struct frame interpreted_frame(struct model *model, const json_t *json)
{
    int64_t line = field_integer(json, "line", 0);
    return (struct frame){.interpreted = true,
                          .module = intern_field(model, json, "file"),
                          .offset = line > 0 && line <= INT32_MAX ? (uint64_t)line : 0,
                          .function = intern_field(model, json, "function")};
}

uint32_t event_site(struct model *model, const json_t *event, const struct call_site *like)
{
    uint32_t frames[STACK_LIMIT];
    struct call_site site = *like;
    const json_t *stack = json_object_get(event, "stack");
    const json_t *python = json_object_get(event, "python");
    size_t natives = json_array_size(stack);
    size_t interpreted = json_array_size(python);
    uint32_t count = 0;
    for (size_t i = 0; i < natives && count < STACK_LIMIT; i++) {
        const json_t *json = json_array_get(stack, i);
        /* A loop that computes was stopped between two instructions; a blocked call was left by
         * a call instruction, whose return address belongs to the line after. */
        struct frame frame = native_frame(model, json, i == 0 && like->kind == SITE_LAG);
        int32_t index = json_is_object(json) ? model_frame(model, &frame) : NONE;
        if (index != NONE)
            frames[count++] = (uint32_t)index;
    }
    site.native_count = (uint16_t)count;
    for (size_t i = 0; i < interpreted && count < STACK_LIMIT; i++) {
        const json_t *json = json_array_get(python, i);
        struct frame frame = interpreted_frame(model, json);
        int32_t index = json_is_object(json) ? model_frame(model, &frame) : NONE;
        if (index != NONE)
            frames[count++] = (uint32_t)index;
    }
    site.interpreted_count = (uint16_t)(count - site.native_count);
    return model_site(model, &site, frames);
}
