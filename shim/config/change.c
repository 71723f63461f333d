// SPDX-License-Identifier: MIT
#include "config/change.h"

#include <stddef.h>
#include <string.h>

#include "base/utf8.h"
#include "config/complaints.h"
#include "config/setting_table.h"

static const char nothing_changed[] = "; nothing was changed\n";

/* "drain-max" as "PIPESHIM_DRAIN_MAX". False: longer than any name. */
static bool full_name(const char *given, size_t size, char name[CHANGE_NAME_LIMIT])
{
    static const char before[] = "PIPESHIM_";
    size_t skipped = size >= 8 && strncmp(given, before, 8) == 0 ? 0 : sizeof before - 1;
    if (size == 0 || size + skipped >= CHANGE_NAME_LIMIT)
        return false;
    memcpy(name, before, skipped);
    for (size_t i = 0; i < size; i++) {
        char c = given[i];
        name[skipped + i] = (char)(c == '-' ? '_' : c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
    name[skipped + size] = '\0';
    return true;
}

static bool refuse_name(struct text_buffer *answer, const char *given, size_t size,
                        const char *name)
{
    const char *meant = name ? setting_probably_meant(name, strlen(name)) : NULL;
    text_printable_part(answer, given, size < CHANGE_NAME_LIMIT ? size : CHANGE_NAME_LIMIT);
    text_string(answer, ": no such setting; expected ");
    text_string(answer, meant ? meant : "the name of a variable of libpipeshim(7), NAME=VALUE");
    text_string(answer, nothing_changed);
    return false;
}

bool setting_change_read(const char *assignment, struct setting_change *change,
                         struct text_buffer *answer)
{
    char name[CHANGE_NAME_LIMIT];
    size_t size = strcspn(assignment, "=");
    bool named = full_name(assignment, size, name);
    int id = named ? setting_find(name, strlen(name)) : -1;
    if (id < 0)
        return refuse_name(answer, assignment, size, named ? name : NULL);
    const struct setting *setting = &setting_table[id];
    if (!setting->live) {
        text_format(answer,
                    "%s: cannot be changed while the program runs; expected in its "
                    "environment when it starts",
                    setting->name);
        text_string(answer, nothing_changed);
        return false;
    }
    const char *text = assignment + size;
    text += *text == '=';
    change->id = (enum setting_id)id;
    change->text = text;
    change->number = 0;
    bool default_again = !*text && assignment[size] == '=' && !setting->default_text[0];
    if (default_again || (assignment[size] && setting_parse(setting, text, &change->number)))
        return true;
    describe_refused(answer, setting, text);
    text_string(answer, nothing_changed);
    return false;
}

/* One that was set before is found again: thresholds that go up and down take no memory. */
static const char *find_text(const struct settings *settings, const char *text)
{
    const char *end = settings->texts + sizeof settings->texts;
    for (const char *kept = end - settings->texts_used; kept < end; kept += strlen(kept) + 1)
        if (strcmp(kept, text) == 0)
            return kept;
    return NULL;
}

bool settings_change_fits(const struct settings *settings, const struct setting_change *changes,
                          unsigned count, struct text_buffer *answer)
{
    size_t size = 0;
    for (unsigned i = 0; i < count; i++)
        if (!find_text(settings, changes[i].text))
            size += strlen(changes[i].text) + 1;
    if (size <= sizeof settings->texts - settings->texts_used)
        return true;
    text_format(answer,
                "no space for %zu bytes more of text in all settings together; expected %d "
                "at most",
                size, SETTINGS_TEXT_LIMIT);
    text_string(answer, nothing_changed);
    return false;
}

void settings_change(struct settings *settings, const struct setting_change *changes,
                     unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        enum setting_id id = changes[i].id;
        const char *kept = find_text(settings, changes[i].text);
        if (!kept)
            kept = settings_keep_text(settings, changes[i].text);
        if (!kept)
            continue;
        settings->number[id] = changes[i].number;
        settings->text[id] = kept;
        settings->given[id] = setting_differs(id, kept, changes[i].number);
    }
}
