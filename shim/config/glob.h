// SPDX-License-Identifier: MIT
/* Shell patterns (glob(7)) without libc's locale and allocation. Async-signal-safe. */
#ifndef PIPESHIM_CONFIG_GLOB_H
#define PIPESHIM_CONFIG_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/* True if all of `text` fits the first `size` bytes of `pattern`: '*' any run, '?' one byte, [a-z]
 * and [!a-z] sets, '\' takes the next byte as it is. Time is bounded by the product of the lengths.
 */
bool glob_match(const char *pattern, size_t size, const char *text);

/* True if `text` fits one pattern of a comma list. */
bool glob_list_match(const char *list, const char *text);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
