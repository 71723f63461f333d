// SPDX-License-Identifier: MIT
/* Deadlocks and findings for others than a terminal: an issue's text, a CI server's table. */
#include <inttypes.h>
#include <string.h>

#include "cli/report/event_fields.h"
#include "cli/report/formats.h"
#include "cli/report/markdown.h"
#include "cli/report/stack_view.h"

static const char *text_of(const struct model *model, string_id id)
{
    return id != 0 ? string_text(&model->strings, id) : "";
}

static const char *verdict_of(const struct model *model, const struct deadlock *deadlock)
{
    return deadlock->kind != 0 ? text_of(model, deadlock->kind) : "deadlock";
}

static const char *name_of(const struct model *model, const struct chain_member *member)
{
    return text_of(model, member->name != 0 ? member->name : member->comm);
}

/* Lines as they are: what is indented cannot end the block. */
static void code_block(const char *lines, FILE *out)
{
    while (*lines) {
        size_t length = strcspn(lines, "\r\n");
        fprintf(out, "    %.*s\n", (int)length, lines);
        lines += length + (lines[length] != '\0');
    }
}

static void markdown_sites(const struct model *model, uint32_t limit, FILE *out)
{
    fputs("## Calls by time blocked\n\n| blocked | calls | longest | call | program | line |\n"
          "|---:|---:|---:|---|---|---|\n",
          out);
    for (uint32_t i = 0; i < model->site_count && i < limit; i++) {
        const struct call_site *site = &model->sites[i];
        char total[32], longest[32], where[SITE_WHERE_LIMIT];
        if (site->count == 0)
            continue;
        fprintf(out, "| %s | %" PRIu64 " | %s | ", duration_text(site->total, total), site->count,
                duration_text(site->longest, longest));
        markdown_text(text_of(model, site->call), out);
        fputs(" | ", out);
        markdown_text(text_of(model, site->exe), out);
        fputs(" | ", out);
        markdown_text(site_where(model, site, where), out);
        fputs(" |\n", out);
    }
}

void format_markdown(const struct model *model, uint32_t limit, FILE *out)
{
    char when[32];
    fputs("# pipeshim report\n\n", out);
    for (uint32_t i = 0; i < model->deadlock_count; i++) {
        const struct deadlock *deadlock = &model->deadlocks[i];
        fputs("## ", out);
        markdown_text(text_of(model, deadlock->verdict), out);
        fprintf(out, "\n\n%s UTC: ", time_text(deadlock->time, when));
        markdown_text(text_of(model, deadlock->words), out);
        fputs("\n\n", out);
        for (uint32_t k = 0; k < deadlock->member_count; k++) {
            code_block(text_of(model, deadlock->members[k].link), out);
            code_block(text_of(model, deadlock->members[k].code), out);
        }
        fputs("\n**fix:** ", out);
        markdown_text(text_of(model, deadlock->advice), out);
        if (deadlock->rescue != 0) {
            fputs("\n\n**now:** ", out);
            markdown_text(text_of(model, deadlock->rescue), out);
        }
        fputs("\n\n", out);
    }
    if (model->deadlock_count == 0)
        fputs(model->events > 0 ? "No deadlock and no finding.\n\n"
                                : "The logs hold no events.\n\n",
              out);
    if (model->events > 0)
        markdown_sites(model, limit, out);
}

/* U+FFFE and U+FFFF are no characters of XML. */
static bool is_noncharacter(const char *text)
{
    return strncmp(text, "\xef\xbf\xbe", 3) == 0 || strncmp(text, "\xef\xbf\xbf", 3) == 0;
}

static void xml(const char *text, FILE *out)
{
    for (; *text; text++) {
        if (is_noncharacter(text)) {
            fputc('?', out);
            text += 2;
            continue;
        }
        switch (*text) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default: /* XML 1.0 has no other control characters, not even escaped ones */
            fputc((unsigned char)*text < ' ' && *text != '\n' && *text != '\t' ? '?' : *text, out);
        }
    }
}

static double seconds(int64_t us)
{
    return us > 0 ? (double)us / 1e6 : 0;
}

/* All that a strict reader insists on: Ant's schema has every attribute required. */
static void junit_begin(const struct model *model, FILE *out)
{
    bool empty = model->events == 0;
    uint32_t failures = model->deadlock_count;
    const char *host = empty ? "" : text_of(model, model->processes[0].host);
    char when[32];
    time_text(empty ? 0 : model->first_time, when);
    when[10] = 'T';
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"pipeshim\" hostname=\"",
          out);
    xml(*host ? host : "localhost", out);
    fprintf(out,
            "\" timestamp=\"%.19s\" time=\"%.3f\" tests=\"%u\" failures=\"%u\" errors=\"0\" "
            "skipped=\"%d\">\n<properties/>\n",
            when, empty ? 0 : seconds(model->last_time - model->first_time),
            failures > 0 ? failures : 1, failures, empty);
    if (failures > 0)
        return;
    fputs("<testcase classname=\"pipeshim\" name=\"no deadlock, no finding\" time=\"0\"", out);
    fputs(empty ? "><skipped/></testcase>\n" : "/>\n", out);
}

static void junit_failure(const struct model *model, const struct deadlock *deadlock, FILE *out)
{
    fputs("<testcase classname=\"pipeshim\" name=\"", out);
    xml(verdict_of(model, deadlock), out);
    for (uint32_t k = 0; k < deadlock->member_count; k++) {
        fputs(k > 0 ? ", " : " of ", out);
        xml(name_of(model, &deadlock->members[k]), out);
    }
    fprintf(out, "\" time=\"%.3f\"><failure type=\"", seconds(model->last_time - deadlock->time));
    xml(verdict_of(model, deadlock), out);
    fputs("\" message=\"", out);
    xml(text_of(model, deadlock->words), out);
    fputs("\">", out);
    xml(text_of(model, deadlock->verdict), out);
    for (uint32_t k = 0; k < deadlock->member_count; k++) {
        fputs("\n  ", out);
        xml(text_of(model, deadlock->members[k].link), out);
        fputs("\n", out);
        xml(text_of(model, deadlock->members[k].code), out);
    }
    fputs("\n  fix: ", out);
    xml(text_of(model, deadlock->advice), out);
    if (deadlock->rescue != 0)
        fputs("\n  now: ", out);
    xml(text_of(model, deadlock->rescue), out);
    fputs("</failure></testcase>\n", out);
}

void format_junit(const struct model *model, FILE *out)
{
    junit_begin(model, out);
    for (uint32_t i = 0; i < model->deadlock_count; i++)
        junit_failure(model, &model->deadlocks[i], out);
    fputs("<system-out/>\n<system-err/>\n</testsuite>\n", out);
}
