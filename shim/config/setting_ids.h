// SPDX-License-Identifier: MIT
/* The settings by name of the code, in the order of config/settings.def. */
#ifndef PIPESHIM_CONFIG_SETTING_IDS_H
#define PIPESHIM_CONFIG_SETTING_IDS_H

#define SETTING(id, name, type, default_text, accepted, minimum, maximum, live) SETTING_##id,
enum setting_id {
#include "config/settings.def"
    SETTING_COUNT,
};
#undef SETTING

/* Called once for each value that is refused: one line that names the variable, the value, what is
 * accepted and what happens now. */
typedef void settings_complaint(const char *line, void *context);

/* Runs on: any. Plain data. */
#endif
