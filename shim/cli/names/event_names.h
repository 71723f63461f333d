// SPDX-License-Identifier: MIT
/*
 * The names in an event as the program's author knows them: C++ and Rust functions demangled,
 * places in generated JavaScript by their source map. The library writes neither: it opens no file
 * of the program's for it, and allocates nothing.
 */
#ifndef PIPESHIM_CLI_NAMES_EVENT_NAMES_H
#define PIPESHIM_CLI_NAMES_EVENT_NAMES_H

#include <jansson.h>

/* Changes `event` (NULL: nothing): `symbol`s, JavaScript frames that are `generated` and whose map
 * is found (then `compiled` says where in the generated file), `where`, and those of its chain. */
void event_names_restore(json_t *event);

/* Runs on: tool. AS-safe: no. Blocks: as long as the file systems of the maps do. */
#endif
