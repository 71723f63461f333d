// SPDX-License-Identifier: MIT
/* Who should read what the relay has queued, and where that process stands meanwhile. */
#ifndef PIPESHIM_CLI_RELAY_LANE_READER_H
#define PIPESHIM_CLI_RELAY_LANE_READER_H

#include "cli/relay/lane.h"

/* Once, while nobody reads: fills object, reader and line of `lane->rescue`. What is not known
 * stays empty. Looks at all processes that may be seen, some ms; the line of a native program may
 * take two seconds, in which the command's pipes are not read. */
void lane_find_reader(struct lane *lane);

/* Runs on: the relay. AS-safe: no. Blocks: as diagnosis_read_thread() does. */
#endif
