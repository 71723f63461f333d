// SPDX-License-Identifier: MIT
/*
 * What one of the program's own fds leads to, asked from the watchdog thread.
 *
 * The watchdog has another fd table, so it borrows the open file: pidfd_getfd(2) (Linux 5.6)
 * duplicates it for the microseconds of a few ioctls. Nothing is opened: a new description of a
 * pipe end would change what the other side sees. Where borrowing is not permitted the name in
 * /proc/self/fd is all there is, and the numbers are left out.
 */
#ifndef PIPESHIM_EXPLAIN_OWN_OBJECT_H
#define PIPESHIM_EXPLAIN_OWN_OBJECT_H

#include <stdbool.h>

#include "explain/object_facts.h"

/* Fills `facts` for fd `fd` of thread `tid` of this process; `writes`: the call is a write. For a
 * thread with its own fd table. Always fills what it can. */
void own_object_facts(int tid, int fd, bool writes, struct object_facts *facts);

#endif
