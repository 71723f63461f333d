// SPDX-License-Identifier: MIT
#include "config/parse.h"

#include <stddef.h>
#include <string.h>

/* Reads digits from *at; false if there is none or they overflow. */
static bool read_digits(const char **at, uint64_t *value)
{
    const char *p = *at;
    uint64_t number = 0;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*p - '0'), &number))
            return false;
    *at = p;
    *value = number;
    return true;
}

bool parse_number(const char *text, uint64_t *value)
{
    uint64_t number;
    if (!read_digits(&text, &number) || *text)
        return false;
    *value = number;
    return true;
}

/* The fraction of one `unit` that ".digits" says; digits beyond the unit's own are dropped. */
static bool read_fraction(const char **at, uint64_t unit_of_one, uint64_t *fraction)
{
    *fraction = 0;
    if (**at != '.')
        return true;
    const char *p = *at + 1;
    if (*p < '0' || *p > '9')
        return false;
    for (uint64_t unit = unit_of_one / 10; *p >= '0' && *p <= '9'; p++, unit /= 10)
        *fraction += (uint64_t)(*p - '0') * unit;
    *at = p;
    return true;
}

static bool unit_of_duration(const char *unit, uint64_t *nanoseconds)
{
    static const struct {
        char name[8];
        uint64_t nanoseconds;
    } units[] = {{"", 1000000}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(unit, units[i].name) == 0) {
            *nanoseconds = units[i].nanoseconds;
            return true;
        }
    }
    return false;
}

bool parse_duration(const char *text, uint64_t *value)
{
    uint64_t whole;
    uint64_t unit;
    uint64_t fraction;
    if (!read_digits(&text, &whole))
        return false;
    const char *end = text;
    if (*end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    if (!unit_of_duration(end, &unit) || !read_fraction(&text, unit, &fraction))
        return false;
    uint64_t result;
    if (__builtin_mul_overflow(whole, unit, &result) ||
        __builtin_add_overflow(result, fraction, &result))
        return false;
    *value = result;
    return true;
}

bool parse_size(const char *text, uint64_t *value)
{
    uint64_t number;
    unsigned shift = 0;
    if (!read_digits(&text, &number))
        return false;
    if (*text) {
        const char *letter = strchr("KMG", *text);
        if (!letter || text[1])
            return false;
        shift = *letter == 'K' ? 10 : *letter == 'M' ? 20 : 30;
    }
    if (number > UINT64_MAX >> shift)
        return false;
    *value = number << shift;
    return true;
}

bool parse_percent(const char *text, uint64_t *value)
{
    uint64_t number;
    if (!read_digits(&text, &number) || (*text && strcmp(text, "%") != 0))
        return false;
    *value = number;
    return true;
}

bool parse_rate(const char *text, uint64_t *value)
{
    uint64_t number;
    if (!read_digits(&text, &number))
        return false;
    bool a_minute = strcmp(text, "/min") == 0 || strcmp(text, "/m") == 0;
    if (!a_minute && *text && strcmp(text, "/s") != 0)
        return false;
    return !__builtin_mul_overflow(number, a_minute ? 1 : 60, value);
}

bool parse_choice(const char *text, const char *choices, uint64_t *value)
{
    uint64_t position = 0;
    for (const char *choice = choices;; position++) {
        const char *at = text;
        for (; *at && *choice != '|' && *at == *choice; choice++)
            at++;
        if (!*at && (!*choice || *choice == '|')) {
            *value = position;
            return true;
        }
        choice += strcspn(choice, "|");
        if (!*choice++)
            return false;
    }
}

bool parse_fds(const char *text)
{
    uint64_t fd;
    if (parse_choice(text, "off|stderr|stdout|stdio|all", &fd))
        return true;
    for (;;) {
        if (!read_digits(&text, &fd) || fd > INT32_MAX)
            return false;
        if (!*text)
            return true;
        if (*text++ != ',')
            return false;
    }
}

bool parse_list_has(const char *list, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = list;; at++) {
        size_t length = strcspn(at, ",");
        if (length == size && strncmp(at, word, size) == 0)
            return true;
        at += length;
        if (!*at)
            return false;
    }
}

bool parse_events(const char *text)
{
    static const char known[] = "deadlock,blocked,lag,self_reader,no_reader,reader_stopped,"
                                "reader_away,eof_never,nonblocking_shared,backlog";
    char word[32];
    for (;; text++) {
        size_t length = strcspn(text, ",");
        if (length == 0 || length >= sizeof word)
            return false;
        memcpy(word, text, length);
        word[length] = '\0';
        if (!parse_list_has(known, word))
            return false;
        text += length;
        if (!*text)
            return true;
    }
}

static bool is_label_letter(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

/* What the metrics use themselves, and what Prometheus keeps for itself. */
static bool is_reserved(const char *name, size_t size)
{
    static const char ours[] = "exe|pid|class|finding|loop|cause|reason|version|le|quantile";
    char copy[16];
    uint64_t position;
    if (size >= sizeof copy)
        return false;
    memcpy(copy, name, size);
    copy[size] = '\0';
    return (size >= 2 && copy[0] == '_' && copy[1] == '_') || parse_choice(copy, ours, &position);
}

bool parse_labels(const char *text)
{
    enum { LABELS_LIMIT = 4, VALUE_LIMIT = 64, NAME_LIMIT = 32 };
    for (unsigned count = 0;; count++) {
        size_t name = 0, value = 0;
        while (is_label_letter(text[name], name == 0))
            name++;
        const char *at = text + name + 1;
        if (count == LABELS_LIMIT || name == 0 || name > NAME_LIMIT || text[name] != '=' ||
            is_reserved(text, name))
            return false;
        for (; at[value] && at[value] != ','; value++)
            if (at[value] <= ' ' || at[value] > '~' || at[value] == '"' || at[value] == '\\')
                return false;
        if (value == 0 || value > VALUE_LIMIT)
            return false;
        if (!at[value])
            return true;
        text = at + value + 1;
    }
}

bool parse_log(const char *text)
{
    uint64_t fd;
    if (strncmp(text, "fd:", 3) == 0)
        return parse_number(text + 3, &fd) && fd <= INT32_MAX;
    return *text != '\0';
}
