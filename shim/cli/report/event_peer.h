// SPDX-License-Identifier: MIT
/*
 * The other end of what a call waits for, in words.
 */
#ifndef PIPESHIM_CLI_REPORT_EVENT_PEER_H
#define PIPESHIM_CLI_REPORT_EVENT_PEER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PEER_TEXT_LIMIT = 256 };

/* "reader ffmpeg[4250] fd 0, state S, in read fd 0", to `size` bytes; "" if the event does not say.
 * `pid` gets its pid, -1 if unknown. With `generic` the words leave out pid and fd, which differ
 * from run to run. */
void peer_text(const json_t *event, bool generic, char *text, size_t size, int32_t *pid);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
