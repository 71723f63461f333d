// SPDX-License-Identifier: MIT
/*
 * Who holds the other end of a pipe that is reported again and again: a slow reader makes its
 * writer stall many times a minute, and each scan of all processes for it costs as much as all the
 * rest of a report.
 */
#ifndef PIPESHIM_WATCH_KNOWN_PEERS_H
#define PIPESHIM_WATCH_KNOWN_PEERS_H

#include "kernel/object_reader.h"

/* Forgets all: the watchdog begins, or a forked child. */
void known_peers_begin(void);

/* As find_peers(); by those who were found in the last 10 s, if each of them still holds it. */
void known_peers_find(enum object_role role, unsigned access, struct object_facts *facts);

/* It would look at those only, as far as can be said without a look. */
bool known_peers_has(enum object_role role, const struct object_facts *facts);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
