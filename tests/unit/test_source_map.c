// SPDX-License-Identifier: MIT
// Source maps: places, folders, maps of maps; and whatever is none is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The tool's code is in no library. */
#include "../../shim/cli/names/source_map.c" // NOLINT(bugprone-suspicious-include)

static struct source_map *parse(const char *text)
{
    return source_map_parse(text, strlen(text), "/srv/dist/app.js");
}

static void assert_place(const struct source_map *map, int line, int column, const char *file,
                         int source_line, int source_column)
{
    struct source_place place;
    assert_true(source_map_find(map, line, column, &place));
    assert_string_equal(place.file, file);
    assert_int_equal(place.line, source_line);
    assert_int_equal(place.column, source_column);
}

/* "AAAA": column 0, source 0, line 0, column 0; "IACE": 4 further, the next line, 2 further. */
static const char simple[] = "{\"version\":3,\"sources\":[\"../src/a.ts\",\"b.ts\"],"
                             "\"mappings\":\"AAAA,IACE;;ACAF,qBAA4B\"}";

static void test_places(void **state)
{
    (void)state;
    struct source_place place;
    struct source_map *map = parse(simple);
    assert_non_null(map);
    assert_place(map, 1, 1, "/srv/src/a.ts", 1, 1);
    assert_place(map, 1, 4, "/srv/src/a.ts", 1, 1);
    assert_place(map, 1, 5, "/srv/src/a.ts", 2, 3);
    assert_place(map, 1, 5000, "/srv/src/a.ts", 2, 3);
    assert_false(source_map_find(map, 2, 1, &place)); /* a line without segments */
    assert_place(map, 3, 1, "/srv/dist/b.ts", 2, 1);
    assert_place(map, 3, 22, "/srv/dist/b.ts", 2, 29); /* numbers of two digits */
    assert_false(source_map_find(map, 4, 1, &place));
    source_map_free(map);
}

static void test_names_of_sources(void **state)
{
    (void)state;
    static const struct {
        const char *root, *name, *path;
    } rows[] = {
        {"", "x.ts", "/srv/dist/x.ts"},
        {"..", "x.ts", "/srv/x.ts"},
        {"/opt/src/", "a/./b/../x.ts", "/opt/src/a/x.ts"},
        {"", "/abs/x.ts", "/abs/x.ts"},
        {"", "file:///abs/x.ts", "/abs/x.ts"},
        {"", "webpack://app/./src/x.ts", "webpack://app/./src/x.ts"},
        {"", "../../../../../x.ts", "/x.ts"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512];
        snprintf(text, sizeof text,
                 "{\"version\":3,\"sourceRoot\":\"%s\",\"sources\":[\"%s\"],\"mappings\":\"AAAA\"}",
                 rows[i].root, rows[i].name);
        struct source_map *map = parse(text);
        assert_non_null(map);
        assert_place(map, 1, 1, rows[i].path, 1, 1);
        source_map_free(map);
    }
}

/* A map without a segment: a module that was left empty. */
static void test_no_segment(void **state)
{
    (void)state;
    struct source_place place;
    struct source_map *map = parse("{\"version\":3,\"sources\":[\"a.ts\"],\"mappings\":\"\"}");
    assert_non_null(map);
    assert_false(source_map_find(map, 1, 1, &place));
    source_map_free(map);
}

static void test_map_of_maps(void **state)
{
    (void)state;
    struct source_map *map =
        parse(")]}'\n{\"version\":3,\"sections\":[{\"offset\":{\"line\":0,\"column\":0},\"map\":"
              "{\"version\":3,\"sources\":[\"a.ts\"],\"mappings\":\"AAAA\"}},"
              "{\"offset\":{\"line\":2,\"column\":10},\"map\":"
              "{\"version\":3,\"sources\":[\"b.ts\"],\"mappings\":\"AAAA;AACA\"}}]}");
    struct source_place place;
    assert_non_null(map);
    assert_place(map, 1, 9, "/srv/dist/a.ts", 1, 1);
    assert_false(source_map_find(map, 3, 5, &place));
    assert_place(map, 3, 11, "/srv/dist/b.ts", 1, 1);
    assert_place(map, 4, 1, "/srv/dist/b.ts", 2, 1);
    source_map_free(map);
}

static void test_what_is_no_map(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "{\"version\":2,\"sources\":[\"a\"],\"mappings\":\"AAAA\"}",
        "{\"version\":3,\"sources\":[\"a\"]}",
        "{\"version\":3,\"sources\":[],\"mappings\":\"AAAA\"}",        /* no such source */
        "{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"AADA\"}",   /* a line before the first */
        "{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"AA\"}",     /* two numbers */
        "{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"AAAAAA\"}", /* six */
        "{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"A*AA\"}",   /* no digit */
        "{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"AAAg\"}",   /* ends in a number */
        "{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"gggggggA\"}",        /* too long a one */
        "{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"+/////D,+/////D\"}", /* too far */
        "{\"version\":3,\"sections\":[{\"offset\":{\"line\":-1,\"column\":0},\"map\":{}}]}",
        "{\"version\":3,\"sections\":[{\"map\":{\"version\":3,\"sections\":[]}}]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct source_map *map = parse(texts[i]);
        if (map)
            fail_msg("taken for a map: %s", texts[i]);
    }
}

static void test_damaged(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252ULL;
    unsigned taken = 0;
    for (unsigned i = 0; i < 20000; i++) {
        char text[sizeof simple];
        struct source_place place;
        memcpy(text, simple, sizeof text);
        for (unsigned k = 0; k < 3; k++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            text[random % (sizeof text - 1)] = (char)(random >> 32);
        }
        struct source_map *map = source_map_parse(text, sizeof text - 1, "/srv/dist/app.js");
        for (int line = 1; map && line < 5; line++)
            source_map_find(map, line, 3, &place);
        taken += map != NULL;
        source_map_free(map);
    }
    assert_in_range(taken, 1, 19999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),      cmocka_unit_test(test_names_of_sources),
        cmocka_unit_test(test_map_of_maps), cmocka_unit_test(test_what_is_no_map),
        cmocka_unit_test(test_damaged),     cmocka_unit_test(test_no_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
