// SPDX-License-Identifier: MIT
/*
 * What the environment asks for. Read once, by the constructor; constant afterwards. The table is
 * config/settings.def.
 */
#ifndef PIPESHIM_CONFIG_SETTINGS_H
#define PIPESHIM_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text_buffer.h"
#include "config/setting_ids.h"
#include "facts/calls.h"

enum loop_choice { LOOP_AUTO, LOOP_MAIN, LOOP_NONE, LOOP_NAMES };
/* The position in the list of PIPESHIM_ACTION; exec: has a command after it. */
enum action { ACTION_LOG, ACTION_ABORT, ACTION_TERM, ACTION_STOP, ACTION_DRAIN, ACTION_EXEC };
enum { FORMAT_TEXT, FORMAT_JSON };
enum { STACK_FULL, STACK_COMPACT };
enum { SUMMARY_OFF, SUMMARY_ON, SUMMARY_ALWAYS };
enum { SETTINGS_TEXT_LIMIT = 16 * 1024 }; /* all texts together; longer ones are refused */

struct settings {
    /* Filled from its end, which lies beside what follows: a start touches what is in use. */
    char texts[SETTINGS_TEXT_LIMIT];
    uint64_t number[SETTING_COUNT];  /* ns, bytes, percent, a choice's position; 0: default "" */
    const char *text[SETTING_COUNT]; /* as given, or the default */
    bool given[SETTING_COUNT];       /* not the default: by the environment or a preset */
    enum loop_choice loop;
    bool active; /* not off, not AT_SECURE, and the executable passes ONLY and SKIP */
    unsigned texts_used;
};

/* By which names, without directories, PIPESHIM_ONLY and PIPESHIM_SKIP know a program; NULL: it has
 * none. Debian's redis-server is a link to redis-check-rdb; every server in Python is python3. */
struct program_names {
    const char *executable; /* of the file that runs */
    const char *invoked;    /* by which it was started: of argv[0] */
    const char *script;     /* that an interpreter runs */
};

/*
 * Fills `settings` from the environment `variables` (NULL-terminated, as main gets it) for the
 * program of these names. `secure`: AT_SECURE, ignore everything.
 * Where the program is left out, `active` is false and the rest is not read.
 * An invalid value is complained of and its default used; so is a name that is
 * almost one of ours. Does not allocate; async-signal-safe.
 */
void settings_read(struct settings *settings, char *const *variables,
                   const struct program_names *names, bool secure, settings_complaint *complain,
                   void *context);

/* True if one of these is ours, or is named as if it were: else all settings have their defaults.
 */
bool settings_are_given(char *const *variables);

/* True if a variable among these makes settings_read() look at the program's names. */
bool settings_ask_for_names(char *const *variables);

bool settings_are_active(const struct settings *settings);

/* How long a call of `class` may take, in ns: its own threshold or the common one. */
uint64_t settings_threshold_ns(const struct settings *settings, enum call_class class);

/* Frames a report may have; 0 for PIPESHIM_STACK=off. */
unsigned settings_stack_depth(const struct settings *settings);

/* True if thread name `name` is in the list of PIPESHIM_LOOP. */
bool settings_is_loop_name(const struct settings *settings, const char *name);

/* The variable's name. */
const char *setting_name(enum setting_id id);

/* Runs on: settings_read() in the constructor and the tool; the rest: any. AS-safe: yes. Blocks:
 * no. */
#endif
