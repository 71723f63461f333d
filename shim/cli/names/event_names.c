// SPDX-License-Identifier: MIT
#include "cli/names/event_names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/names/demangle.h"
#include "cli/names/source_map.h"
#include "cli/report/event_fields.h"
#include "explain/user_frame.h"
#include "kernel/process_start.h"

enum { NAME_LIMIT = 2048, WORDS_LIMIT = 4096 };

static void restore_symbols(json_t *stack)
{
    for (size_t i = 0; i < json_array_size(stack); i++) {
        char name[NAME_LIMIT];
        json_t *frame = json_array_get(stack, i);
        if (demangle(field_string(frame, "symbol"), name, sizeof name))
            json_object_set_new(frame, "symbol", json_string(name));
    }
}

/* "file:line function", as the library writes it. */
static void place_words(const json_t *frame, char words[WORDS_LIMIT])
{
    int64_t line = field_integer(frame, "line", 0);
    char number[24] = "";
    if (line > 0)
        snprintf(number, sizeof number, ":%" PRId64, line);
    snprintf(words, WORDS_LIMIT, "%s%s %s", field_string(frame, "file"), number,
             field_string(frame, "function"));
}

static bool restore_place(json_t *frame, int64_t ran_ns)
{
    struct source_place place;
    char compiled[SOURCE_PATH_LIMIT];
    const char *file = field_string(frame, "file");
    int line = (int)field_integer(frame, "line", 0),
        column = (int)field_integer(frame, "column", 0);
    if (!field_true(frame, "generated") ||
        !source_place_find("", file, ran_ns, line, column, &place))
        return false;
    snprintf(compiled, sizeof compiled, "%s:%d:%d", file, line, column);
    json_object_set_new(frame, "compiled", json_string(compiled));
    json_object_set_new(frame, "file", json_string(place.file));
    json_object_set_new(frame, "line", json_integer(place.line));
    json_object_set_new(frame, "column", json_integer(place.column));
    json_object_del(frame, "generated");
    return true;
}

/* The line of the user's code among frames whose places have changed; of a member of a chain also
 * its column, and whether the file is a generated one. */
static void choose_where(json_t *object, const json_t *frames)
{
    char words[WORDS_LIMIT];
    for (size_t i = 0; i < json_array_size(frames); i++) {
        json_t *frame = json_array_get(frames, i);
        if (!javascript_file_is_user(field_string(frame, "file")))
            continue;
        place_words(frame, words);
        json_object_set_new(object, "where", json_string(words));
        if (json_object_del(object, "column") == 0)
            json_object_set(object, "column", json_object_get(frame, "column"));
        if (!field_true(frame, "generated"))
            json_object_del(object, "generated");
        return;
    }
}

static void restore_javascript(json_t *object, int64_t ran_ns)
{
    char words[WORDS_LIMIT];
    const json_t *frames = json_object_get(object, "javascript");
    bool changed = false, is_where = false;
    for (size_t i = 0; i < json_array_size(frames); i++) {
        json_t *frame = json_array_get(frames, i);
        place_words(frame, words);
        is_where |= strcmp(words, field_string(object, "where")) == 0;
        changed |= restore_place(frame, ran_ns);
    }
    if (changed && is_where)
        choose_where(object, frames);
}

/* "module+0x1234 _ZN3app3runEv" */
static void restore_where(json_t *object)
{
    char words[WORDS_LIMIT];
    if (demangle_last_word(field_string(object, "where"), words, sizeof words))
        json_object_set_new(object, "where", json_string(words));
}

static void restore(json_t *object, int64_t ran_ns)
{
    restore_symbols(json_object_get(object, "stack"));
    restore_javascript(object, ran_ns);
    restore_where(object);
}

static void restore_each(json_t *list, int64_t ran_ns)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        restore(json_array_get(list, i), ran_ns);
}

/* A deadlock's or finding's own line is that of the member which it is of. */
static void restore_chain(json_t *event, int64_t ran_ns)
{
    const json_t *chain = json_object_get(event, "chain");
    char own[WORDS_LIMIT];
    snprintf(own, sizeof own, "%s", field_string(event, "where"));
    for (size_t i = 0; i < json_array_size(chain); i++) {
        json_t *member = json_array_get(chain, i);
        bool is_own = *own && strcmp(field_string(member, "where"), own) == 0;
        restore(member, ran_ns);
        if (is_own)
            json_object_set(event, "where", json_object_get(member, "where"));
    }
}

void event_names_restore(json_t *event)
{
    int64_t time = event ? field_time(event, "time") : TIME_UNKNOWN;
    if (!event)
        return;
    int64_t ran_ns = time == TIME_UNKNOWN ? 0 : file_time_ns(time / 1000000, time % 1000000 * 1000);
    restore(event, ran_ns);
    restore_chain(event, ran_ns);
    restore_each(json_object_get(event, "sites"), ran_ns);
}
