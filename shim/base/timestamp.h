// SPDX-License-Identifier: MIT
/* Wall-clock time as text, without libc's time zones. Async-signal-safe. */
#ifndef PIPESHIM_BASE_TIMESTAMP_H
#define PIPESHIM_BASE_TIMESTAMP_H

#include <stdint.h>

enum { TIMESTAMP_SIZE = 32 };

/* RFC 3339 in UTC with microseconds: 2026-11-20T22:33:39.123456Z. `time_ns` is CLOCK_REALTIME. */
void timestamp_rfc3339(uint64_t time_ns, char text[TIMESTAMP_SIZE]);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
