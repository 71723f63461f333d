// SPDX-License-Identifier: MIT
#include "cli/names/demangle.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char ellipsis[] = "\xe2\x80\xa6";

/* Of libstdc++ (cxxabi.h): the same in C. */
char *cxa_demangle(const char *symbol, char *buffer, size_t *size,
                   int *status) __asm__("__cxa_demangle");

/* --- Rust ------------------------------------------------------------------------------------- */

enum { HASH_LENGTH = 19 }; /* "::h" and 16 digits */

static bool drop_hash(char *name)
{
    size_t length = strlen(name);
    if (length <= HASH_LENGTH)
        return false;
    char *hash = name + length - HASH_LENGTH;
    if (strncmp(hash, "::h", 3) != 0 || strspn(hash + 3, "0123456789abcdef") != HASH_LENGTH - 3)
        return false;
    *hash = '\0';
    return true;
}

/* What rustc writes for characters that C++ names cannot have; it only gets shorter. */
static void restore_rust(char *name)
{
    static const struct {
        const char *written, *meant;
    } escapes[] = {{"$LT$", "<"},  {"$GT$", ">"},  {"$RF$", "&"},  {"$BP$", "*"},  {"$C$", ","},
                   {"$LP$", "("},  {"$RP$", ")"},  {"$u20$", " "}, {"$u5b$", "["}, {"$u5d$", "]"},
                   {"$u7b$", "{"}, {"$u7d$", "}"}, {"$u27$", "'"}, {"..", "::"}};
    char *to = name;
    for (const char *from = name; *from != '\0';) {
        size_t i = 0, count = sizeof escapes / sizeof *escapes;
        while (i < count && strncmp(from, escapes[i].written, strlen(escapes[i].written)) != 0)
            i++;
        if (i == count) {
            *to++ = *from++;
            continue;
        }
        from += strlen(escapes[i].written);
        for (const char *meant = escapes[i].meant; *meant != '\0';)
            *to++ = *meant++;
    }
    *to = '\0';
}

/* --- Too long --------------------------------------------------------------------------------- */

/* Past "operator<", "operator->", "operator()": brackets that are part of a name. */
static const char *past_operator(const char *at)
{
    static const char word[] = "operator";
    if (strncmp(at, word, sizeof word - 1) != 0)
        return at;
    at += sizeof word - 1;
    if (strncmp(at, "()", 2) == 0)
        return at + 2;
    return at + strspn(at, "<>=-");
}

/* Puts "…" in place of what stands in each outermost pair of these brackets. */
static void empty_brackets(char *name, char open, char close)
{
    char *to = name;
    unsigned depth = 0;
    for (const char *from = name; *from != '\0';) {
        const char *next = past_operator(from);
        if (next != from && depth == 0) {
            memmove(to, from, (size_t)(next - from));
            to += next - from;
            from = next;
            continue;
        }
        bool arrow = *from == '>' && from > name && from[-1] == '-';
        depth -= *from == close && !arrow && depth > 0;
        if (depth == 0)
            *to++ = *from;
        if (*from == open && depth++ == 0 && from[1] != close && strlen(from) > 4) {
            memcpy(to, ellipsis, sizeof ellipsis - 1);
            to += sizeof ellipsis - 1;
        }
        from++;
    }
    *to = '\0';
}

/* As much as is needed, first what is written in templates, then in parameters, then outer scopes.
 */
static void write_fitting(char *name, char *to, size_t capacity)
{
    if (strlen(name) >= capacity)
        empty_brackets(name, '<', '>');
    if (strlen(name) >= capacity)
        empty_brackets(name, '(', ')');
    const char *from = name;
    while (strlen(from) + sizeof ellipsis >= capacity) {
        const char *inner = strstr(from, "::");
        if (!inner)
            break;
        from = inner + 2;
    }
    snprintf(to, capacity, "%s%s", from == name ? "" : ellipsis, from);
}

/* --- Cut off ---------------------------------------------------------------------------------- */

/* "_ZN3app5QueueISt6vec": "app::Queue…": names stand there with their lengths. */
static bool write_whole_parts(const char *symbol, char *to, size_t capacity)
{
    const char *at = symbol + 2;
    size_t used = 0;
    if (*at == 'N')
        at++;
    at += strspn(at, "rVK");
    while (isdigit((unsigned char)*at)) {
        char *name;
        unsigned long length = strtoul(at, &name, 10);
        if (length == 0 || length > strlen(name) || used + length + 2 + sizeof ellipsis >= capacity)
            break;
        used += (size_t)snprintf(to + used, capacity - used, "%s%.*s", used ? "::" : "",
                                 (int)length, name);
        at = name + length;
    }
    if (used > 0)
        snprintf(to + used, capacity - used, "%s", ellipsis);
    return used > 0;
}

bool demangle(const char *symbol, char *to, size_t capacity)
{
    int status;
    if (strncmp(symbol, "_Z", 2) != 0)
        return false;
    char *name = cxa_demangle(symbol, NULL, NULL, &status);
    if (!name)
        return write_whole_parts(symbol, to, capacity);
    if (drop_hash(name))
        restore_rust(name);
    write_fitting(name, to, capacity);
    free(name);
    return true;
}

bool demangle_last_word(const char *text, char *to, size_t capacity)
{
    const char *space = strrchr(text, ' ');
    size_t before = space ? (size_t)(space - text) + 1 : 0;
    if (before + 32 > capacity || !demangle(text + before, to + before, capacity - before))
        return false;
    memcpy(to, text, before);
    return true;
}
