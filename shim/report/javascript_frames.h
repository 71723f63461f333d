// SPDX-License-Identifier: MIT
/* JavaScript frames in words. */
#ifndef PIPESHIM_REPORT_JAVASCRIPT_FRAMES_H
#define PIPESHIM_REPORT_JAVASCRIPT_FRAMES_H

#include "base/text_buffer.h"
#include "facts/javascript_frame.h"

/* The function's name, "<anonymous>" (as V8 writes it) if it has none. */
const char *javascript_function_name(const struct javascript_frame *frame);

/* "handle  /srv/app.js:12:5", without what is not certain. */
void javascript_frame_text(struct text_buffer *text, const struct javascript_frame *frame);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
