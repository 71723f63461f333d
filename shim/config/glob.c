// SPDX-License-Identifier: MIT
#include "config/glob.h"

#include <string.h>

/* Matches one byte against the set at pattern[*at], which is '['; moves *at after it. A set that
 * is not closed is an ordinary '['. */
static bool set_match(const char *pattern, size_t size, size_t *at, char c)
{
    size_t p = *at + 1;
    bool negated = p < size && (pattern[p] == '!' || pattern[p] == '^');
    if (negated)
        p++;
    bool found = false;
    for (size_t first = p; p < size && (pattern[p] != ']' || p == first); p++) {
        if (p + 2 < size && pattern[p + 1] == '-' && pattern[p + 2] != ']') {
            found |= c >= pattern[p] && c <= pattern[p + 2];
            p += 2;
        } else {
            found |= c == pattern[p];
        }
    }
    if (p >= size) {
        (*at)++;
        return c == '[';
    }
    *at = p + 1;
    return found != negated;
}

/* Matches one byte; moves *at after what it was matched with. */
static bool one_match(const char *pattern, size_t size, size_t *at, char c)
{
    char p = pattern[*at];
    if (p == '[')
        return set_match(pattern, size, at, c);
    if (p == '\\' && *at + 1 < size)
        p = pattern[++*at];
    else if (p == '?')
        p = c;
    (*at)++;
    return p == c;
}

bool glob_match(const char *pattern, size_t size, const char *text)
{
    size_t at = 0;
    size_t star = size;           /* after the last '*' */
    const char *star_text = NULL; /* where it has matched up to */
    while (*text) {
        if (at < size && pattern[at] == '*') {
            star = ++at;
            star_text = text;
            continue;
        }
        if (at < size && one_match(pattern, size, &at, *text)) {
            text++;
            continue;
        }
        if (!star_text)
            return false;
        at = star;
        text = ++star_text;
    }
    while (at < size && pattern[at] == '*')
        at++;
    return at == size;
}

bool glob_list_match(const char *list, const char *text)
{
    while (*list) {
        size_t size = strcspn(list, ",");
        if (size > 0 && glob_match(list, size, text))
            return true;
        list += size;
        if (*list)
            list++;
    }
    return false;
}
