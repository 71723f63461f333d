// SPDX-License-Identifier: MIT
/* What the user asked the drainer for. Constant once it has begun. */
#ifndef PIPESHIM_DRAIN_SETTINGS_H
#define PIPESHIM_DRAIN_SETTINGS_H

#include "drain/options.h"

extern struct drain_options drain_settings __attribute__((visibility("hidden")));

/* Runs on: any. Plain data. */
#endif
