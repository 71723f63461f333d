// SPDX-License-Identifier: MIT
#include "cli/doctor/results.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"ok", "info", "warn", "fail"};

static _Noreturn void no_memory(void)
{
    fputs("pipeshim doctor: out of memory\n", stderr);
    exit(1);
}

void results_add(struct results *results, enum verdict verdict, const char *name, const char *mend,
                 const char *format, ...)
{
    if (results->count == results->limit) {
        results->limit = results->limit * 2 + 16;
        results->rows = realloc(results->rows, results->limit * sizeof *results->rows);
        if (!results->rows)
            no_memory();
    }
    struct result *row = &results->rows[results->count++];
    *row = (struct result){.verdict = verdict, .name = name};
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(&row->text, format, arguments);
    va_end(arguments);
    if (size < 0 || (mend && !(row->mend = strdup(mend))))
        no_memory();
}

size_t results_failed(const struct results *results)
{
    size_t failed = 0;
    for (size_t i = 0; i < results->count; i++)
        failed += results->rows[i].verdict == VERDICT_FAIL;
    return failed;
}

/* Texts hold names of files and what other programs said. */
static void print_clean(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

bool results_print_text(const struct results *results)
{
    for (size_t i = 0; i < results->count; i++) {
        const struct result *row = &results->rows[i];
        printf("%-5s ", words[row->verdict]);
        print_clean(row->text);
        if (row->mend) {
            fputs("\n      mend: ", stdout);
            print_clean(row->mend);
        }
        putchar('\n');
    }
    size_t failed = results_failed(results);
    if (failed > 0)
        printf("pipeshim doctor: %zu condition%s not met\n", failed, failed == 1 ? " is" : "s are");
    else
        puts("pipeshim doctor: the library loads, sees and reports here");
    return fflush(stdout) == 0;
}

bool results_print_json(const struct results *results)
{
    json_t *checks = json_array();
    for (size_t i = 0; i < results->count; i++) {
        const struct result *row = &results->rows[i];
        json_t *check = json_pack("{s:s, s:s, s:s}", "name", row->name, "status",
                                  words[row->verdict], "text", row->text);
        /* NULL: a text that is no UTF-8 */
        if (!check)
            check = json_pack("{s:s, s:s}", "name", row->name, "status", words[row->verdict]);
        if (row->mend)
            json_object_set_new(check, "mend", json_string(row->mend));
        json_array_append_new(checks, check);
    }
    json_t *all = json_pack("{s:b, s:s, s:o}", "ok", results_failed(results) == 0, "version",
                            PIPESHIM_VERSION, "checks", checks);
    bool printed = all && json_dumpf(all, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF &&
                   fflush(stdout) == 0;
    json_decref(all);
    return printed;
}

void results_free(struct results *results)
{
    for (size_t i = 0; i < results->count; i++) {
        free(results->rows[i].text);
        free(results->rows[i].mend);
    }
    free(results->rows);
    *results = (struct results){0};
}
