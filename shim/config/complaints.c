// SPDX-License-Identifier: MIT
#include "config/complaints.h"

#include <stddef.h>
#include <string.h>

#include "base/text_buffer.h"
#include "base/utf8.h"

/* As much of a user's text as fits a line. */
static void text_quoted(struct text_buffer *message, const char *text, size_t size)
{
    enum { SHOWN = 100 };
    text_printable_part(message, text, size < SHOWN ? size : SHOWN);
}

void describe_refused(struct text_buffer *message, const struct setting *setting, const char *text)
{
    text_string(message, setting->name);
    text_string(message, "=");
    text_quoted(message, text, strlen(text));
    text_string(message, ": not accepted; expected ");
    for (const char *p = setting->accepted; *p; p++)
        if (setting->type == TYPE_CHOICE && *p == '|')
            text_string(message, " or ");
        else
            text_char(message, *p);
}

void complain_of_value(const struct setting *setting, const char *text, const char *instead,
                       settings_complaint *complain, void *context)
{
    char line[512];
    struct text_buffer message;
    text_init(&message, line, sizeof line);
    describe_refused(&message, setting, text);
    text_string(&message, "; using the default");
    if (instead[0]) {
        text_char(&message, ' ');
        text_string(&message, instead);
    } else if (setting->type == TYPE_DURATION) {
        text_string(&message, ", PIPESHIM_THRESHOLD");
    }
    complain(line, context);
}

/* Letters to change, add or leave out to get from one name to the other; rows of the classic table
 * (Levenshtein). */
static unsigned edit_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    enum { NAME_LIMIT = 64 };
    unsigned char row[NAME_LIMIT + 1];
    if (a_size > NAME_LIMIT || b_size > NAME_LIMIT)
        return NAME_LIMIT;
    for (size_t k = 0; k <= b_size; k++)
        row[k] = (unsigned char)k;
    for (size_t i = 1; i <= a_size; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned char)i;
        for (size_t k = 1; k <= b_size; k++) {
            unsigned best = diagonal + (a[i - 1] != b[k - 1]);
            if (row[k] + 1U < best)
                best = row[k] + 1U;
            if (row[k - 1] + 1U < best)
                best = row[k - 1] + 1U;
            diagonal = row[k];
            row[k] = (unsigned char)best;
        }
    }
    return row[b_size];
}

const char *setting_probably_meant(const char *variable, size_t size)
{
    enum { LONG_NAME = 14 }; /* PIPESHIM_ and five letters: two slips do not make it another word */
    for (int id = 0; id < SETTING_COUNT; id++) {
        unsigned slips =
            edit_distance(variable, size, setting_table[id].name, strlen(setting_table[id].name));
        if (slips == 1 || (slips == 2 && strlen(setting_table[id].name) >= LONG_NAME))
            return setting_table[id].name;
    }
    return NULL;
}

void complain_of_name(const char *variable, settings_complaint *complain, void *context)
{
    char line[512];
    struct text_buffer message;
    text_init(&message, line, sizeof line);
    size_t size = strcspn(variable, "=");
    const char *meant = setting_probably_meant(variable, size);
    if (!meant)
        return;
    text_quoted(&message, variable, size);
    text_string(&message, ": no such variable; expected ");
    text_string(&message, meant);
    text_string(&message, "; it is ignored");
    complain(line, context);
}
