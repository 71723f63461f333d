// SPDX-License-Identifier: MIT
/* The table that config/settings.def makes: how each setting's text is read. For config/ only. */
#ifndef PIPESHIM_CONFIG_SETTING_TABLE_H
#define PIPESHIM_CONFIG_SETTING_TABLE_H

#include <stdint.h>

#include "config/setting_ids.h"

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
    char name[28];
    char default_text[20];
    char accepted[68];
};

extern const struct setting setting_table[SETTING_COUNT] __attribute__((visibility("hidden")));

/* Runs on: any. Plain data. */
#endif
