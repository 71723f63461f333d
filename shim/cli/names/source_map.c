// SPDX-License-Identifier: MIT
#include "cli/names/source_map.h"

#include <jansson.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/names/base64.h"

enum {
    SEGMENT_LIMIT = 8 << 20,
    LINE_LIMIT = 4 << 20,
    SECTION_LIMIT = 10000,
    DIGIT_LIMIT = 7, /* of 5 bits: more than 32 bits are no number of a map */
};

/* From here on, up to the next one of its line. */
struct segment {
    int32_t line, column; /* in the generated file, from 0 */
    int32_t source;       /* index in `sources`; -1: from nowhere */
    int32_t source_line, source_column;
};

struct source_map {
    char **sources; /* resolved paths */
    size_t source_count;
    struct segment *segments; /* by line and column */
    size_t count, capacity;
};

/* --- Numbers ---------------------------------------------------------------------------------- */

/* 5 bits a digit, least significant first, the sixth: one more follows; the lowest bit is the sign.
 */
static bool read_number(const char **at, int64_t *value)
{
    uint64_t bits = 0;
    int digit = 32;
    for (unsigned i = 0; digit & 32; i++) {
        digit = base64_digit(**at);
        if (digit < 0 || i == DIGIT_LIMIT)
            return false;
        bits |= (uint64_t)(digit & 31) << (5 * i);
        (*at)++;
    }
    *value = bits & 1 ? -(int64_t)(bits >> 1) : (int64_t)(bits >> 1);
    return true;
}

static bool add(int32_t *to, int64_t difference)
{
    int64_t sum = *to + difference;
    if (sum < 0 || sum > INT32_MAX)
        return false;
    *to = (int32_t)sum;
    return true;
}

/* --- Segments --------------------------------------------------------------------------------- */

static bool append(struct source_map *map, const struct segment *segment)
{
    if (map->count == map->capacity) {
        size_t capacity = map->capacity ? 2 * map->capacity : 1024;
        struct segment *more = realloc(map->segments, capacity * sizeof *more);
        if (!more || map->count >= SEGMENT_LIMIT) {
            map->segments = more ? more : map->segments;
            return false;
        }
        map->segments = more;
        map->capacity = capacity;
    }
    map->segments[map->count++] = *segment;
    return true;
}

/* One to five numbers: column, source, its line, its column, a name. */
static bool read_segment(const char **at, struct segment *state, size_t source_count, bool *mapped)
{
    int64_t number[5];
    unsigned count = 0;
    while (**at != ',' && **at != ';' && **at != '\0') {
        if (count == 5 || !read_number(at, &number[count]))
            return false;
        count++;
    }
    *mapped = count >= 4;
    if (count == 0)
        return true;
    if (count == 2 || count == 3 || !add(&state->column, number[0]))
        return false;
    return !*mapped ||
           (add(&state->source, number[1]) && add(&state->source_line, number[2]) &&
            add(&state->source_column, number[3]) && (size_t)state->source < source_count);
}

static bool read_mappings(struct source_map *map, const char *at, size_t first_source,
                          int32_t first_line, int32_t first_column)
{
    struct segment state = {.line = first_line, .column = first_column};
    while (*at != '\0') {
        if (*at == ';') {
            if (state.line == LINE_LIMIT)
                return false;
            state.line++;
            state.column = 0;
            at++;
        } else if (*at == ',') {
            at++;
        } else {
            bool mapped;
            if (!read_segment(&at, &state, map->source_count - first_source, &mapped))
                return false;
            struct segment segment = state;
            segment.source = mapped ? state.source + (int32_t)first_source : -1;
            if (!append(map, &segment))
                return false;
        }
    }
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct segment *left = a, *right = b;
    if (left->line != right->line)
        return left->line < right->line ? -1 : 1;
    return (left->column > right->column) - (left->column < right->column);
}

/* --- Paths ------------------------------------------------------------------------------------ */

/* Takes "." and ".." out of a path. */
static void normalize(char *path)
{
    char *to = path;
    for (const char *from = path; *from != '\0';) {
        size_t length = strcspn(from, "/");
        bool last = from[length] == '\0';
        bool up = length == 2 && strncmp(from, "..", 2) == 0;
        if (up && to > path + 1) {
            to--;
            while (to > path && to[-1] != '/')
                to--;
        } else if (!(up && path[0] == '/') && !(length == 1 && from[0] == '.')) {
            memmove(to, from, length + !last);
            to += length + !last;
        }
        from += length + !last;
    }
    *to = '\0';
}

static const char *without_scheme(const char *path)
{
    return strncmp(path, "file://", 7) == 0 ? path + 7 : path;
}

/* A name in the map is a path from the map's own folder, or a URL. */
static char *resolve(const char *root, const char *name, const char *generated)
{
    char path[SOURCE_PATH_LIMIT];
    const char *slash = strrchr(generated, '/');
    const char *join = *root && root[strlen(root) - 1] != '/' && *name != '/' ? "/" : "";
    name = without_scheme(name);
    root = without_scheme(root);
    bool absolute = name[0] == '/' || root[0] == '/' || strstr(name, "://") || strstr(root, "://");
    snprintf(path, sizeof path, "%.*s%s%s%s", absolute || !slash ? 0 : (int)(slash - generated) + 1,
             generated, name[0] == '/' ? "" : root, name[0] == '/' ? "" : join, name);
    if (!strstr(path, "://"))
        normalize(path);
    return strdup(path);
}

static bool take_sources(struct source_map *map, const json_t *json, const char *generated)
{
    const json_t *sources = json_object_get(json, "sources");
    const char *root = json_string_value(json_object_get(json, "sourceRoot"));
    size_t more = json_array_size(sources);
    char **all = realloc(map->sources, (map->source_count + more + 1) * sizeof *all);
    if (!all)
        return false;
    map->sources = all;
    for (size_t i = 0; i < more; i++) {
        const char *name = json_string_value(json_array_get(sources, i));
        char *path = resolve(root ? root : "", name ? name : "", generated);
        if (!path)
            return false;
        map->sources[map->source_count++] = path;
    }
    return true;
}

/* --- The map ---------------------------------------------------------------------------------- */

static bool take_map(struct source_map *map, const json_t *json, const char *generated,
                     int32_t line, int32_t column)
{
    size_t first = map->source_count;
    const char *mappings = json_string_value(json_object_get(json, "mappings"));
    return mappings && json_integer_value(json_object_get(json, "version")) == 3 &&
           take_sources(map, json, generated) && read_mappings(map, mappings, first, line, column);
}

/* Of a map of maps: bundlers that put files one after the other write these. */
static bool take_sections(struct source_map *map, const json_t *sections, const char *generated)
{
    for (size_t i = 0; i < json_array_size(sections) && i < SECTION_LIMIT; i++) {
        const json_t *section = json_array_get(sections, i);
        const json_t *offset = json_object_get(section, "offset");
        json_int_t line = json_integer_value(json_object_get(offset, "line"));
        json_int_t column = json_integer_value(json_object_get(offset, "column"));
        if (line < 0 || line > LINE_LIMIT || column < 0 || column > INT32_MAX ||
            !take_map(map, json_object_get(section, "map"), generated, (int32_t)line,
                      (int32_t)column))
            return false;
    }
    return true;
}

struct source_map *source_map_parse(const char *text, size_t size, const char *generated)
{
    if (size > 4 && strncmp(text, ")]}'", 4) == 0) { /* so that no browser runs it */
        const char *line = memchr(text, '\n', size);
        size -= line ? (size_t)(line - text) : 0;
        text = line ? line : text;
    }
    json_t *json = json_loadb(text, size, 0, NULL);
    struct source_map *map = json_is_object(json) ? calloc(1, sizeof *map) : NULL;
    const json_t *sections = json_object_get(json, "sections");
    bool taken = map && (json_is_array(sections) ? take_sections(map, sections, generated)
                                                 : take_map(map, json, generated, 0, 0));
    json_decref(json);
    if (!taken) {
        source_map_free(map);
        return NULL;
    }
    if (map->count > 0)
        qsort(map->segments, map->count, sizeof *map->segments, by_place);
    return map;
}

void source_map_free(struct source_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->source_count; i++)
        free(map->sources[i]);
    free((void *)map->sources);
    free(map->segments);
    free(map);
}

bool source_map_find(const struct source_map *map, int line, int column, struct source_place *place)
{
    struct segment wanted = {.line = line - 1, .column = column > 0 ? column - 1 : 0};
    size_t low = 0, high = map->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_place(&map->segments[middle], &wanted) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || map->segments[low - 1].line != wanted.line || map->segments[low - 1].source < 0)
        return false;
    const struct segment *found = &map->segments[low - 1];
    snprintf(place->file, sizeof place->file, "%s", map->sources[found->source]);
    place->line = found->source_line + 1;
    place->column = found->source_column + 1;
    return true;
}
