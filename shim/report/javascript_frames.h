// SPDX-License-Identifier: MIT
/* JavaScript frames in words, and which of them is the user's. */
#ifndef PIPESHIM_REPORT_JAVASCRIPT_FRAMES_H
#define PIPESHIM_REPORT_JAVASCRIPT_FRAMES_H

#include "base/text_buffer.h"
#include "facts/javascript_frame.h"

/* The function's name, "<anonymous>" (as V8 writes it) if it has none. */
const char *javascript_function_name(const struct javascript_frame *frame);

/* "handle  /srv/app.js:12:5", without what is not certain. */
void javascript_frame_text(struct text_buffer *text, const struct javascript_frame *frame);

/* The innermost frame of the program's own code: not Node's (node:…), not of a package
 * (node_modules) unless there is no other; NULL: none has a file. */
const struct javascript_frame *javascript_user_frame(const struct javascript_frame *frames,
                                                     unsigned count);

/* "file:line function" of that frame; the innermost frame's name if there is none. */
void javascript_where(struct text_buffer *text, const struct javascript_frame *frames,
                      unsigned count);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
