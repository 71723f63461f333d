// SPDX-License-Identifier: MIT
/*
 * Settings that change while the program runs. What is asked for is foreign text: it is read by the
 * same code as the environment, and all of a request is done, or nothing.
 */
#ifndef PIPESHIM_CONFIG_CHANGE_H
#define PIPESHIM_CONFIG_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text_buffer.h"
#include "config/settings.h"

enum { CHANGES_LIMIT = 16, CHANGE_NAME_LIMIT = 64 };

struct setting_change {
    enum setting_id id;
    uint64_t number;
    const char *text; /* after the '=' of the assignment, or the default */
};

/* Reads "threshold=50ms" or "PIPESHIM_THRESHOLD=50ms"; the change points into `assignment`. False:
 * *answer has one line more that says what was wrong, what is expected, and that nothing is
 * changed. */
bool setting_change_read(const char *assignment, struct setting_change *change,
                         struct text_buffer *answer);

/* False: there is no space for so much text, which *answer says. */
bool settings_change_fits(const struct settings *settings, const struct setting_change *changes,
                          unsigned count, struct text_buffer *answer);

/* Makes the changes, which fit. The texts that were there stay valid. */
void settings_change(struct settings *settings, const struct setting_change *changes,
                     unsigned count);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
