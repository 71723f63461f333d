// SPDX-License-Identifier: MIT
/* The table that config/settings.def makes: how each setting's text is read. For config/ only. */
#ifndef PIPESHIM_CONFIG_SETTING_TABLE_H
#define PIPESHIM_CONFIG_SETTING_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/setting_ids.h"

struct settings;

enum setting_type {
    TYPE_CHOICE,
    TYPE_DURATION,
    TYPE_DURATION_OR_WAIT,
    TYPE_SIZE,
    TYPE_SIZE_OR_OFF,
    TYPE_NUMBER,
    TYPE_PERCENT,
    TYPE_RATE,
    TYPE_FDS,
    TYPE_LOG,
    TYPE_NAMES,
    TYPE_ACTION,
    TYPE_EVENTS,
    TYPE_LABELS,
    TYPE_TEXT,
};

/* The texts are in it, not pointed to: a table of pointers is written to at each start of a
 * program. */
struct setting {
    uint64_t minimum, maximum;
    enum setting_type type;
    bool live; /* may change while the program runs */
    uint8_t name_size;
    char name[28];
    char default_text[20];
    char accepted[68];
};

extern const struct setting setting_table[SETTING_COUNT] __attribute__((visibility("hidden")));

/* The setting whose name is the first `size` bytes at `variable`; -1: there is none. */
int setting_find(const char *variable, size_t size);

/* False: the text is not what the setting accepts. */
bool setting_parse(const struct setting *setting, const char *text, uint64_t *value);

/* Whether an accepted text, of that value, says anything but the default of settings.def. */
bool setting_differs(enum setting_id id, const char *text, uint64_t value);

/* Copies the text: the program may change its environment. NULL: no space. */
const char *settings_keep_text(struct settings *settings, const char *text);

/* Runs on: constructor, watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
