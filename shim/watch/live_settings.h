// SPDX-License-Identifier: MIT
/*
 * `pipeshim set`: requests in the mailbox (facts/mailbox.h), read at the looks that the watchdog
 * makes anyway, done by the code that reads the environment, answered, and told as `config`.
 */
#ifndef PIPESHIM_WATCH_LIVE_SETTINGS_H
#define PIPESHIM_WATCH_LIVE_SETTINGS_H

#include <stdbool.h>

/* What a change needs of the rooms behind this one. */
struct live_effects {
    bool (*drain)(const char *fds);     /* doors/drain_doors.h: drain_doors_switch() */
    bool (*drain_one)(int fd, bool on); /* drain_doors_switch_one() */
    void (*look)(void);                 /* drain_doors_look() */
};

/* For the constructor. */
void live_settings_prepare(const struct live_effects *of);

/* Switches the drainer to `fds`, as PIPESHIM_DRAIN names them. False, and *why says it in one
 * line: no memory, or a seccomp filter. */
bool live_settings_drain(const char *fds, const char **why);

/* The same of one more fd, or of one less. */
bool live_settings_drain_one(int fd, bool on, const char **why);

/* At each look: one load, where nothing is asked for. */
void live_settings_look(void);

/* Runs on: watchdog. AS-safe: yes. Blocks: no. */
#endif
