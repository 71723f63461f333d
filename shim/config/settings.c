// SPDX-License-Identifier: MIT
#include "config/settings.h"

#include <stddef.h>
#include <string.h>

#include "config/complaints.h"
#include "config/glob.h"
#include "config/parse.h"
#include "config/setting_table.h"

#define FIXED false
#define LIVE  true
#define SETTING(id, name, type, default_text, accepted, minimum, maximum, live)                    \
    [SETTING_##id] = {minimum,          maximum, TYPE_##type,  live,                               \
                      sizeof(name) - 1, name,    default_text, accepted},
const struct setting setting_table[SETTING_COUNT] = {
#include "config/settings.def"
};
#undef SETTING
#undef FIXED
#undef LIVE

enum { PRESET_LIMIT = 3, PRESET_TEXT_LIMIT = 24 };

/* A text that is empty: the default of settings.def. */
#define PRESET(id, dev, ci, canary) {SETTING_##id, {dev, ci, canary}},
static const struct {
    enum setting_id id;
    char texts[PRESET_LIMIT][PRESET_TEXT_LIMIT];
} presets[] = {
#include "config/presets.def"
};
#undef PRESET

const char *setting_name(enum setting_id id)
{
    return setting_table[id].name;
}

static bool in_range(const struct setting *setting, uint64_t value)
{
    return value >= setting->minimum && value <= setting->maximum;
}

static bool parse_quantity(const struct setting *setting, const char *text, uint64_t *value)
{
    bool well_formed = false;
    switch (setting->type) {
    case TYPE_DURATION:
    case TYPE_DURATION_OR_WAIT:
        well_formed = parse_duration(text, value);
        break;
    case TYPE_SIZE:
    case TYPE_SIZE_OR_OFF:
        well_formed = parse_size(text, value);
        break;
    case TYPE_PERCENT:
        well_formed = parse_percent(text, value);
        break;
    case TYPE_RATE:
        well_formed = parse_rate(text, value);
        break;
    default:
        well_formed = parse_number(text, value);
        break;
    }
    return well_formed && in_range(setting, *value);
}

bool setting_parse(const struct setting *setting, const char *text, uint64_t *value)
{
    *value = 0;
    switch (setting->type) {
    case TYPE_CHOICE:
        return parse_choice(text, setting->accepted, value);
    case TYPE_FDS:
        return parse_fds(text);
    case TYPE_LOG:
        return parse_log(text);
    case TYPE_NAMES:
        return text[strspn(text, ",")] != '\0';
    case TYPE_ACTION:
        *value = ACTION_EXEC;
        return parse_choice(text, "log|abort|term|stop|drain", value) ||
               (strncmp(text, "exec:", 5) == 0 && text[5]);
    case TYPE_EVENTS:
        return parse_events(text);
    case TYPE_LABELS:
        return parse_labels(text);
    case TYPE_TEXT:
        return true;
    case TYPE_DURATION_OR_WAIT:
        if (strcmp(text, "wait") == 0) {
            *value = MAX_DURATION;
            return true;
        }
        break;
    case TYPE_SIZE_OR_OFF:
        if (strcmp(text, "off") == 0)
            return true;
        break;
    default:
        break;
    }
    return parse_quantity(setting, text, value);
}

/* Copies the text: the program may change its environment. NULL: no room. */
const char *settings_keep_text(struct settings *settings, const char *text)
{
    size_t size = strlen(text) + 1;
    if (size > sizeof settings->texts - settings->texts_used)
        return NULL;
    settings->texts_used += (unsigned)size;
    char *kept = settings->texts + sizeof settings->texts - settings->texts_used;
    memcpy(kept, text, size);
    return kept;
}

/* NULL: it has none. */
static const char *text_of_preset(const struct settings *settings, enum setting_id id)
{
    if (!settings->given[SETTING_PRESET])
        return NULL;
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (presets[i].id == id && presets[i].texts[settings->number[SETTING_PRESET]][0])
            return presets[i].texts[settings->number[SETTING_PRESET]];
    return NULL;
}

/* The preset's, or that of settings.def. */
static const char *default_of(const struct settings *settings, enum setting_id id)
{
    const char *of_preset = text_of_preset(settings, id);
    return of_preset ? of_preset : setting_table[id].default_text;
}

bool setting_differs(enum setting_id id, const char *text, uint64_t value)
{
    const struct setting *setting = &setting_table[id];
    uint64_t standard;
    if (strcmp(text, setting->default_text) == 0)
        return false;
    bool is_text = setting->type == TYPE_TEXT || setting->type == TYPE_LOG ||
                   setting->type == TYPE_FDS || setting->type == TYPE_NAMES ||
                   setting->type == TYPE_ACTION || setting->type == TYPE_EVENTS ||
                   setting->type == TYPE_LABELS;
    return is_text || !setting_parse(setting, setting->default_text, &standard) ||
           value != standard;
}

static void use_default(struct settings *settings, enum setting_id id)
{
    const char *text = default_of(settings, id);
    settings->text[id] = text;
    settings->number[id] = 0;
    if (text[0])
        setting_parse(&setting_table[id], text, &settings->number[id]);
    settings->given[id] =
        text != setting_table[id].default_text && setting_differs(id, text, settings->number[id]);
}

int setting_find(const char *variable, size_t size)
{
    for (int id = 0; id < SETTING_COUNT; id++)
        if (setting_table[id].name_size == size &&
            strncmp(setting_table[id].name, variable, size) == 0)
            return id;
    return -1;
}

static int find_setting(const char *variable)
{
    return setting_find(variable, strcspn(variable, "="));
}

static void read_variable(struct settings *settings, const char *variable,
                          settings_complaint *complain, void *context)
{
    int id = find_setting(variable);
    if (id < 0) {
        complain_of_name(variable, complain, context);
        return;
    }
    const char *text = strchr(variable, '=') + 1;
    uint64_t value;
    if (!*text && !setting_table[id].default_text[0])
        return; /* set to nothing: as if it were not set */
    const char *kept = NULL;
    if (!setting_parse(&setting_table[id], text, &value) ||
        !(kept = settings_keep_text(settings, text))) {
        complain_of_value(&setting_table[id], text, default_of(settings, (enum setting_id)id),
                          complain, context);
        return;
    }
    settings->number[id] = value;
    settings->text[id] = kept;
    settings->given[id] = setting_differs((enum setting_id)id, text, value);
}

static bool is_matched(const char *list, const struct program_names *names)
{
    return (names->executable && glob_list_match(list, names->executable)) ||
           (names->invoked && glob_list_match(list, names->invoked)) ||
           (names->script && glob_list_match(list, names->script));
}

static bool program_passes(const struct settings *settings, const struct program_names *names)
{
    const char *only = settings->text[SETTING_ONLY];
    if (*only && !is_matched(only, names))
        return false;
    return !is_matched(settings->text[SETTING_SKIP], names);
}

/* The order in which variables are read. */
enum reading {
    READ_PROGRAM, /* whether the program is left out: all that such a process reads */
    READ_PRESET,
    READ_REST,
};

static enum reading reading_of(int id)
{
    if (id == SETTING_PRESET)
        return READ_PRESET;
    return id == SETTING_ENABLED || id == SETTING_ONLY || id == SETTING_SKIP ? READ_PROGRAM
                                                                             : READ_REST;
}

static bool is_ours(const char *variable)
{
    return *variable == 'P' && strncmp(variable, "PIPESHIM", 8) == 0 &&
           (variable[8] == '=' || variable[8] == '_') && strchr(variable, '=') != NULL;
}

bool settings_are_given(char *const *variables)
{
    for (; variables && *variables; variables++)
        if (is_ours(*variables))
            return true;
    return false;
}

bool settings_ask_for_names(char *const *variables)
{
    for (; variables && *variables; variables++) {
        int id = is_ours(*variables) ? find_setting(*variables) : -1;
        if (id == SETTING_ONLY || id == SETTING_SKIP)
            return true;
    }
    return false;
}

static void read_variables(struct settings *settings, char *const *variables, enum reading reading,
                           settings_complaint *complain, void *context)
{
    for (int id = 0; id < SETTING_COUNT; id++)
        if (reading_of(id) == reading)
            use_default(settings, (enum setting_id)id);
    for (; variables && *variables; variables++)
        if (is_ours(*variables) && reading_of(find_setting(*variables)) == reading)
            read_variable(settings, *variables, complain, context);
}

void settings_read(struct settings *settings, char *const *variables,
                   const struct program_names *names, bool secure, settings_complaint *complain,
                   void *context)
{
    memset(settings->number, 0, sizeof *settings - offsetof(struct settings, number));
    if (secure)
        variables = NULL;
    read_variables(settings, variables, READ_PROGRAM, complain, context);
    settings->active =
        !secure && settings->number[SETTING_ENABLED] != 0 && program_passes(settings, names);
    if (!settings->active && !secure)
        return;
    read_variables(settings, variables, READ_PRESET, complain, context);
    read_variables(settings, variables, READ_REST, complain, context);
    uint64_t loop;
    bool word = parse_choice(settings->text[SETTING_LOOP], "auto|main|none", &loop);
    settings->loop = word ? (enum loop_choice)loop : LOOP_NAMES;
}

bool settings_are_active(const struct settings *settings)
{
    return settings->active;
}

static enum setting_id threshold_of(enum call_class class)
{
    switch (class) {
    case CLASS_PIPE_WRITE:
    case CLASS_PIPE_READ:
        return SETTING_PIPE_THRESHOLD;
    case CLASS_SOCKET_WRITE:
    case CLASS_SOCKET_READ:
    case CLASS_CONNECT:
    case CLASS_ACCEPT:
    case CLASS_DNS:
        return SETTING_NET_THRESHOLD;
    case CLASS_CHILD:
        return SETTING_WAIT_THRESHOLD;
    case CLASS_CPU:
        return SETTING_LOOP_THRESHOLD;
    default:
        return SETTING_THRESHOLD;
    }
}

uint64_t settings_threshold_ns(const struct settings *settings, enum call_class class)
{
    uint64_t own = settings->number[threshold_of(class)];
    return own ? own : settings->number[SETTING_THRESHOLD];
}

unsigned settings_stack_depth(const struct settings *settings)
{
    return settings->number[SETTING_STACK] ? (unsigned)settings->number[SETTING_STACK_DEPTH] : 0;
}

bool settings_is_loop_name(const struct settings *settings, const char *name)
{
    return glob_list_match(settings->text[SETTING_LOOP], name);
}
