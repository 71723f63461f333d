// SPDX-License-Identifier: MIT
#include "base/script_name.h"

#include <stdbool.h>
#include <string.h>

const char *path_last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* How one interpreter's command line is read. Lists are separated by single spaces. */
struct interpreter {
    char names[24];       /* what its file name starts with, a version may follow */
    char takes_value[80]; /* options whose value is the next argument */
    char module[8];       /* the option whose value is what is run */
    char text[28];        /* options after which the program itself stands */
    char verbs[8];        /* words that stand before the script: `bun run x.ts` */
    /* Where short options may stand in one word (`python3 -Sc`, `bash -euo pipefail`): those of
     * text, of a value that begins there or is the next argument, of one that is the next argument
     * in any case, and of one that begins there, if at all. */
    char text_letters[4], value_letters[8], next_letters[4], rest_letters[12];
};

static const struct interpreter interpreters[] = {
    {"python pypy", "-W -X -Q --check-hash-based-pycs", "-m", "-c", "", "c", "WXQ", "", ""},
    {"node nodejs", "-r --require --import --loader --experimental-loader -C --conditions", "",
     "-e -p -pe --eval --print", "", "", "", "", ""},
    {"bun deno", "-r --preload --cwd -c --config", "", "-e -p --eval --print", "run x", "", "", "",
     ""},
    {"ruby", "-I -r -C -E", "", "-e", "", "e", "IrCE", "", "FKTWxi0"},
    {"perl", "-I -M", "", "-e -E", "", "eE", "I", "", "MmCDFVdix"},
    {"php", "-c -d -z", "-f", "-r -B -R", "", "", "", "", ""},
    {"lua luajit", "-l", "", "-e", "", "", "", "", ""},
    {"java", "-cp -classpath --class-path -p --module-path", "-jar", "", "", "", "", "", ""},
    {"bash sh dash ash zsh ksh", "-o -O --rcfile --init-file", "", "-c", "", "c", "", "oO", ""},
};

/* Is `word` one of the list? */
static bool is_listed(const char *list, const char *word)
{
    while (*list != '\0') {
        const char *at = word;
        for (; *list != '\0' && *list != ' ' && *list == *at; list++)
            at++;
        if (*at == '\0' && (*list == '\0' || *list == ' '))
            return true;
        while (*list != '\0' && *list++ != ' ')
            ;
    }
    return false;
}

static bool is_of_version(char c)
{
    return (c >= '0' && c <= '9') || c == '.' || c == '-';
}

/* "python3.11" is python: a listed name, with nothing but a version after it. */
static const struct interpreter *interpreter_of(const char *program)
{
    size_t length = 0;
    char name[16];
    while (program[length] && !is_of_version(program[length]))
        length++;
    size_t end = length;
    while (is_of_version(program[end]))
        end++;
    if (length == 0 || length >= sizeof name || program[end] != '\0')
        return NULL;
    memcpy(name, program, length);
    name[length] = '\0';
    for (unsigned i = 0; i < sizeof interpreters / sizeof *interpreters; i++) {
        if (is_listed(interpreters[i].names, name))
            return &interpreters[i];
    }
    return NULL;
}

/* `bash /dev/fd/3`, `bash <(echo ...)`: text from an open file, which has no name of its own. */
static bool is_descriptor(const char *path)
{
    return strncmp(path, "/dev/fd/", 8) == 0 || strncmp(path, "/proc/self/fd/", 14) == 0 ||
           strcmp(path, "/dev/stdin") == 0;
}

enum word { WORD_OPTIONS, WORD_TEXT, WORD_MODULE, WORD_VALUE_NEXT };

/* What a word of short options says of what comes behind it; `rest`: behind its last letter. */
static enum word read_letters(const struct interpreter *interpreter, const char *argument,
                              const char **rest)
{
    if (interpreter->text_letters[0] == '\0' || argument[0] != '-' || argument[1] == '-')
        return WORD_OPTIONS;
    for (const char *at = argument + 1; *at != '\0'; at++) {
        *rest = at + 1;
        if (strchr(interpreter->text_letters, *at))
            return WORD_TEXT;
        if (interpreter->module[0] != '\0' && *at == interpreter->module[1])
            return WORD_MODULE;
        if (strchr(interpreter->next_letters, *at))
            return strchr(at, interpreter->text_letters[0]) ? WORD_TEXT : WORD_VALUE_NEXT;
        if (strchr(interpreter->value_letters, *at))
            return at[1] == '\0' ? WORD_VALUE_NEXT : WORD_OPTIONS;
        if (strchr(interpreter->rest_letters, *at))
            return WORD_OPTIONS;
    }
    return WORD_OPTIONS;
}

const char *script_argument(const char *(*next)(void *context), void *context)
{
    const char *argument = next(context);
    if (!argument)
        return NULL;
    const char *program = path_last_part(argument);
    if (*program == '-') /* a login shell */
        program++;
    const struct interpreter *interpreter = interpreter_of(program);
    while (interpreter && (argument = next(context)) != NULL) {
        const char *rest = argument;
        enum word word = read_letters(interpreter, argument, &rest);
        if (word == WORD_TEXT || is_listed(interpreter->text, argument) ||
            strcmp(argument, "-") == 0)
            return NULL;
        if (word == WORD_MODULE)
            return *rest != '\0' ? rest : next(context);
        if (*interpreter->module != '\0' && strcmp(argument, interpreter->module) == 0)
            return next(context);
        if (strcmp(argument, "--") == 0)
            return next(context);
        if (word == WORD_VALUE_NEXT || is_listed(interpreter->takes_value, argument)) {
            if (!next(context))
                return NULL;
        } else if (*argument != '-' && *argument != '\0' &&
                   !is_listed(interpreter->verbs, argument)) {
            return is_descriptor(argument) ? NULL : argument;
        }
    }
    return NULL;
}
