// SPDX-License-Identifier: MIT
/*
 * A call site's stack as a person wants it: names, and one chain out of native and interpreted
 * frames.
 */
#ifndef PIPESHIM_CLI_REPORT_STACK_VIEW_H
#define PIPESHIM_CLI_REPORT_STACK_VIEW_H

#include <stddef.h>

#include "cli/report/model.h"

enum { FRAME_TEXT_LIMIT = 2200, SITE_WHERE_LIMIT = 2 * FRAME_TEXT_LIMIT + 4 };

/* The frames, innermost first, as indices of model->frames, to STACK_LIMIT places; returns their
 * number. An interpreter's own frames give way to those of the program that it runs: first the
 * native frames down to the interpreter's evaluation loop, of its own those that have a name, then
 * the interpreted ones. */
uint32_t site_stack(const struct model *model, const struct call_site *site, uint32_t *frames);

/* The function; without a name module+offset. To FRAME_TEXT_LIMIT bytes. */
const char *frame_function(const struct model *model, const struct frame *frame, char *text);
/* " (near)", " (generated)" where that is true of its line, else "". */
const char *frame_doubt(const struct frame *frame);
/* "file.c:12" with that after it, or the module's path, or "". To FRAME_TEXT_LIMIT bytes. */
const char *frame_place(const struct model *model, const struct frame *frame, char *text);
/* Of Python and JavaScript the user's own, else the one that the log calls so, else the innermost
 * that is not libc's. NULL without a stack. */
const struct frame *site_user_frame(const struct model *model, const struct call_site *site);
/* Its function and place, "" without a stack. To
 * SITE_WHERE_LIMIT bytes. */
const char *site_where(const struct model *model, const struct call_site *site, char *text);
/* The last part of a path. */
const char *base_name(const char *path);

/* Runs on: tool. AS-safe: no. Blocks: no. */
#endif
