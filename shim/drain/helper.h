// SPDX-License-Identifier: MIT
/* Inside the helper process: no libc, which is unmapped there, and no thread but this one. */
#ifndef PIPESHIM_DRAIN_HELPER_H
#define PIPESHIM_DRAIN_HELPER_H

#include "drain/stream.h"

enum { HELPER_FD = 0 }; /* the pipe's write end */

/* Sends what the stream holds until it is empty, or the reader has gone; then everything of the
 * helper's is closed and the stream may be used again. */
void helper_run(struct stream *stream);

#endif
