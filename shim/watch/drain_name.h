// SPDX-License-Identifier: MIT
/* What a drained pipe is called, and who should read it. */
#ifndef PIPESHIM_WATCH_DRAIN_NAME_H
#define PIPESHIM_WATCH_DRAIN_NAME_H

#include "drain/stream.h"
#include "facts/object_facts.h"

/* Asks by the program's descriptor, or where that is another one's by now by the helper's. A pass
 * over all processes. */
void drain_name_with_peers(struct stream *stream, struct object_facts *object);

/* Asks nobody. */
void drain_name_by_number(struct stream *stream, struct object_facts *object);

/* Runs on: watchdog; the thread that exits. AS-safe: yes. Blocks: no. */
#endif
