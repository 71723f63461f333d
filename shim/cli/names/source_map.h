// SPDX-License-Identifier: MIT
/*
 * Source maps ("Source map format specification", ECMA-426): from a place in a generated JavaScript
 * file to the one in the file that a person wrote. The map is named in the file's last lines: a
 * file beside it, or a data: URL.
 *
 * All of it is foreign text: sizes are bounded, what does not fit together is no map.
 */
#ifndef PIPESHIM_CLI_NAMES_SOURCE_MAP_H
#define PIPESHIM_CLI_NAMES_SOURCE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SOURCE_PATH_LIMIT = 1024 };

struct source_place {
    char file[SOURCE_PATH_LIMIT];
    int line, column; /* from 1 */
};

struct source_map;

/* A map's text, for a generated file of that path; NULL: it is none. */
struct source_map *source_map_parse(const char *text, size_t size, const char *generated);
void source_map_free(struct source_map *map);

/* Where line and column (from 1, in UTF-16 code units) of the generated file come from; false: from
 * nowhere that the map knows. */
bool source_map_find(const struct source_map *map, int line, int column,
                     struct source_place *place);

/* The same by the file's path; maps are kept for the life of the tool, a few at a time. `root`: of
 * the process that runs the file, "" for the own one. False also if the file or its map is newer
 * than `ran_ns` (since the epoch; a moment when it ran, its process's start is the best one): then
 * what ran was another text. */
bool source_place_find(const char *root, const char *generated, int64_t ran_ns, int line,
                       int column, struct source_place *place);

/* Runs on: tool. AS-safe: no. Blocks: as long as the files' file system does. */
#endif
