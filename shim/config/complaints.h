// SPDX-License-Identifier: MIT
/* What is said of a setting that cannot be used: what was wrong, what was expected, what is done
 * instead. For config/ only. */
#ifndef PIPESHIM_CONFIG_COMPLAINTS_H
#define PIPESHIM_CONFIG_COMPLAINTS_H

#include "base/text_buffer.h"
#include "config/setting_table.h"

/* `text` is not what the setting accepts; `instead` is used, its default. */
void complain_of_value(const struct setting *setting, const char *text, const char *instead,
                       settings_complaint *complain, void *context);

/* Appends "PIPESHIM_X=text: not accepted; expected …". */
void describe_refused(struct text_buffer *message, const struct setting *setting, const char *text);

/* The setting that was probably meant by the first `size` bytes of `variable`; NULL: none is near.
 */
const char *setting_probably_meant(const char *variable, size_t size);

/* `variable` ("PIPESHIM_LGO=x") is none of ours. Says nothing of one that is not near to a name of
 * ours: it is somebody else's. */
void complain_of_name(const char *variable, settings_complaint *complain, void *context);

/* Runs on: constructor, tool. AS-safe: yes. Blocks: no. */
#endif
