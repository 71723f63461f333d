// SPDX-License-Identifier: MIT
#include "cli/report/compact_frames.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report/event_fields.h"

/* "PID NAME" → {path, build_id}. A hostile log may name many: then the first ones count. */
enum { MODULES_LIMIT = 100000 };
struct compact_modules {
    json_t *by_name;
};

static bool make(struct compact_modules **modules)
{
    if (*modules)
        return true;
    *modules = calloc(1, sizeof **modules);
    if (*modules && ((*modules)->by_name = json_object()) != NULL)
        return true;
    free(*modules);
    *modules = NULL;
    return false;
}

void compact_modules_free(struct compact_modules *modules)
{
    if (modules)
        json_decref(modules->by_name);
    free(modules);
}

static const char *key_of(const json_t *event, const char *name, char *key, size_t size)
{
    snprintf(key, size, "%" PRId64 " %s", field_integer(event, "pid", 0), name);
    return key;
}

/* A later process of the same pid names its own anew. */
static void remember(struct compact_modules **modules, json_t *event)
{
    json_t *named = json_object_get(event, "modules");
    const char *name;
    json_t *module;
    char key[1024];
    if (!json_is_object(named) || !make(modules))
        return;
    json_object_foreach(named, name, module)
    {
        if (json_object_size((*modules)->by_name) < MODULES_LIMIT)
            json_object_set((*modules)->by_name, key_of(event, name, key, sizeof key), module);
    }
}

static void copy_string(json_t *to, const char *key, const json_t *from, const char *of)
{
    const char *text = field_string(from, of);
    if (*text)
        json_object_set_new(to, key, json_string(text));
}

/* "SYMBOL+OFFSET MODULE+0xOFFSET", "? 0xPC". */
static json_t *native_frame(const struct compact_modules *modules, const json_t *event,
                            const char *text)
{
    const char *place = strchr(text, ' ');
    const char *plus = place ? strrchr(place, '+') : NULL;
    char name[512];
    char key[1024];
    if (!place)
        return NULL;
    json_t *frame = json_object();
    const char *offset = place;
    for (const char *at = text; at < place; at++)
        if (*at == '+')
            offset = at;
    if (strncmp(text, "? ", 2) != 0 && offset != place) {
        json_object_set_new(frame, "symbol", json_stringn(text, (size_t)(offset - text)));
        json_object_set_new(frame, "symbol_offset",
                            json_integer((json_int_t)strtoull(offset + 1, NULL, 10)));
    }
    if (!plus) {
        json_object_set_new(frame, "pc", json_string(place + 1));
        return frame;
    }
    snprintf(name, sizeof name, "%.*s", (int)(plus - place - 1), place + 1);
    json_object_set_new(frame, "module", json_string(name));
    json_object_set_new(frame, "offset", json_string(plus + 1));
    const json_t *module =
        modules ? json_object_get(modules->by_name, key_of(event, name, key, sizeof key)) : NULL;
    copy_string(frame, "module", module, "path");
    copy_string(frame, "build_id", module, "build_id");
    return frame;
}

/* Behind ":LINE" or ":LINE:COLUMN" at `at`; NULL: there is none. */
static const char *read_numbers(const char *at, int64_t numbers[2])
{
    numbers[0] = numbers[1] = 0;
    for (int i = 0; i < 2 && at[0] == ':' && isdigit((unsigned char)at[1]); i++) {
        char *end;
        numbers[i] = (int64_t)strtoul(at + 1, &end, 10);
        at = end;
        if (*at == ' ')
            return at;
    }
    return NULL;
}

/* A word in parentheses before the function's name. */
static const char *read_mark(const char *at, const char *mark, json_t *frame)
{
    size_t size = strlen(mark);
    if (at[0] != '(' || strncmp(at + 1, mark, size) != 0 || strncmp(at + 1 + size, ") ", 2) != 0)
        return at;
    json_object_set_new(frame, mark, json_true());
    return at + size + 3;
}

/* "FILE:LINE FUNCTION", "FILE:LINE:COLUMN FUNCTION", with (near) or (generated) between. */
static json_t *interpreted_frame(const char *text)
{
    static const char unreadable[] = "(unreadable)";
    int64_t numbers[2];
    for (const char *at = strchr(text, ':'); at; at = strchr(at + 1, ':')) {
        const char *rest = read_numbers(at, numbers);
        if (!rest)
            continue;
        json_t *frame = json_object();
        if (at > text)
            json_object_set_new(frame, "file", json_stringn(text, (size_t)(at - text)));
        if (numbers[0] > 0)
            json_object_set_new(frame, "line", json_integer(numbers[0]));
        if (numbers[1] > 0)
            json_object_set_new(frame, "column", json_integer(numbers[1]));
        const char *function = read_mark(rest + 1, "near", frame);
        function = read_mark(function, "generated", frame);
        if (strcmp(function, unreadable) == 0)
            json_object_set_new(frame, "unreadable", json_true());
        else
            json_object_set_new(frame, "function", json_string(function));
        return frame;
    }
    return NULL;
}

static void expand(const struct compact_modules *modules, json_t *event, const char *list)
{
    json_t *frames = json_object_get(event, list);
    bool native = strcmp(list, "stack") == 0;
    size_t index;
    json_t *frame;
    json_array_foreach(frames, index, frame)
    {
        const char *text = json_string_value(frame);
        json_t *whole = !text    ? NULL
                        : native ? native_frame(modules, event, text)
                                 : interpreted_frame(text);
        if (whole)
            json_array_set_new(frames, index, whole);
    }
}

/* A member of a chain is told with its line alone, and the column beside it: its one frame. */
static void expand_member(json_t *member)
{
    const json_t *column = json_object_get(member, "column");
    const char *where = field_string(member, "where");
    json_t *frame = column && *where && !json_object_get(member, "javascript")
                        ? interpreted_frame(where)
                        : NULL;
    if (!frame)
        return;
    json_object_set(frame, "column", json_object_get(member, "column"));
    if (field_true(member, "generated"))
        json_object_set_new(frame, "generated", json_true());
    json_object_set_new(member, "javascript", json_pack("[o]", frame));
}

void compact_frames_expand(struct compact_modules **modules, json_t *event)
{
    if (!event)
        return;
    remember(modules, event);
    expand(*modules, event, "stack");
    expand(*modules, event, "python");
    expand(*modules, event, "javascript");
    const json_t *chain = json_object_get(event, "chain");
    for (size_t i = 0; i < json_array_size(chain); i++)
        expand_member(json_array_get(chain, i));
}
