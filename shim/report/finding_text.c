// SPDX-License-Identifier: MIT
#include "report/finding_text.h"

#include <string.h>

#include "base/clock.h"
#include "base/script_name.h"
#include "base/utf8.h"
#include "facts/object_facts.h"
#include "report/javascript_frames.h"

static void who(struct text_buffer *text, const char *name, int pid)
{
    text_printable(text, name);
    text_char(text, '[');
    text_signed(text, pid);
    text_char(text, ']');
}

void finding_text_verdict(struct text_buffer *text, const struct wait_finding *finding)
{
    if (finding->kind == FINDING_DEADLOCK) {
        text_string(text, "DEADLOCK");
        return;
    }
    text_string(text, "STUCK ");
    text_string(text, finding_name(finding->kind));
}

void finding_text_first_line(struct text_buffer *text, const struct finding_report *report)
{
    const struct wait_finding *finding = report->finding;
    finding_text_verdict(text, finding);
    text_char(text, ' ');
    for (unsigned i = 0; i < finding->count; i++) {
        if (i > 0)
            text_string(text, finding->kind == FINDING_DEADLOCK ? " <-> " : " -> ");
        who(text, finding->chain[i].name, finding->chain[i].pid);
    }
    if (report->blocked_ns > 0) {
        text_string(text, report->at_least ? "  stuck for at least " : "  stuck for ");
        text_milliseconds(text, report->blocked_ns / 1000);
        text_string(text, " s");
    }
    if (report->scans > 0)
        text_string(text, report->scans == 1 ? "  seen once" : "  seen twice without progress");
    if (finding->likely)
        text_string(text, "  likely");
    text_char(text, '\n');
}

static void labelled(struct text_buffer *text, const char *label, const char *words)
{
    if (words[0] == '\0')
        return;
    text_string(text, label);
    text_printable(text, words);
    text_char(text, '\n');
}

static void fill(struct text_buffer *text, const struct chain_link *link)
{
    if (link->reason != REASON_SPACE || link->full == 0)
        return;
    text_string(text, "  FULL");
    if (link->used >= 0) {
        text_char(text, ' ');
        text_signed(text, link->used);
        if (link->capacity >= 0) {
            text_string(text, " of ");
            text_signed(text, link->capacity);
        }
        text_string(text, " bytes");
    }
    if (link->slots >= 0) {
        text_string(text, ", ");
        text_signed(text, link->slots);
        text_string(text, " of ");
        text_signed(text, link->slots);
        text_string(text, " slots");
    }
}

void finding_text_link(struct text_buffer *text, const struct chain_link *link)
{
    who(text, link->name, link->pid);
    text_string(text, "  ");
    text_printable(text, link->waits_in);
    if (link->object[0] != '\0' && link->reason != REASON_CHILD && link->reason != REASON_SIGNAL) {
        text_string(text, " on ");
        text_printable(text, link->object);
    }
    fill(text, link);
    if (link->for_pid > 0 && link->for_pid != link->pid) {
        text_string(text, "  for ");
        who(text, link->for_name, link->for_pid);
        if (link->peer_fd >= 0) {
            text_string(text, " fd ");
            text_signed(text, link->peer_fd);
        }
    }
}

static void begin_frame(struct text_buffer *text, const char *indent, unsigned number)
{
    text_string(text, indent);
    text_char(text, '#');
    text_unsigned(text, number);
    text_char(text, ' ');
}

static void omitted(struct text_buffer *text, const char *indent, unsigned count, const char *what)
{
    if (count == 0)
        return;
    text_string(text, indent);
    text_string(text, "and ");
    text_unsigned(text, count);
    text_string(text, what);
}

/* Below an interpreter's own frames its C stack says nothing, but where it was left. */
static void native_frames(struct text_buffer *text, const struct member *member, const char *indent)
{
    bool interpreted = member->python_count + member->javascript_count > 0;
    unsigned shown = 0;
    for (; shown < member->frame_count; shown++) {
        const struct stack_frame_name *frame = &member->frames[shown];
        const char *module = path_last_part(frame->module);
        if (interpreted && shown > 0 && strncmp(module, "libc.so", 7) != 0)
            break;
        begin_frame(text, indent, shown);
        text_printable(text, frame->symbol[0] ? frame->symbol : "??");
        text_string(text, "  ");
        text_printable(text, module[0] ? module : "code that was compiled at run time");
        if (frame->module[0]) {
            text_char(text, '+');
            text_hex(text, frame->offset);
        }
        text_char(text, '\n');
    }
    omitted(text, indent, member->frame_count - shown, " C frames of the interpreter\n");
}

void finding_text_stacks(struct text_buffer *text, const struct member *member, const char *indent)
{
    for (unsigned i = 0; i < member->python_count; i++) {
        const struct python_frame *frame = &member->python[i];
        begin_frame(text, indent, i);
        text_printable(text, frame->function);
        text_string(text, "  ");
        text_printable(text, frame->file);
        text_char(text, ':');
        text_signed(text, frame->line);
        text_string(text, frame->awaits ? "  (awaits)\n" : "\n");
    }
    omitted(text, indent, member->python_omitted, " outer frames\n");
    for (unsigned i = 0; i < member->javascript_count; i++) {
        begin_frame(text, indent, i);
        javascript_frame_text(text, &member->javascript[i]);
        text_char(text, '\n');
    }
    omitted(text, indent, member->javascript_omitted, " outer frames\n");
    native_frames(text, member, indent);
}

void finding_text_line(struct text_buffer *text, const struct member *member)
{
    if (member->where[0] != '\0') {
        text_string(text, "  > ");
        text_printable(text, member->where);
        if (member->where_generated)
            text_string(text, " (generated: the file has a source map)");
        if (member->source[0] != '\0') {
            text_string(text, "    ");
            text_printable(text, member->source);
        }
        text_char(text, '\n');
    }
    if (member->note) {
        text_string(text, "    (");
        text_string(text, member->note);
        text_string(text, ")\n");
    }
}

void finding_text_rest(struct text_buffer *text, const struct finding_report *report)
{
    const struct wait_finding *finding = report->finding;
    labelled(text, "  ", finding->words);
    for (unsigned i = 0; i < finding->count; i++) {
        text_string(text, "  ");
        finding_text_link(text, &finding->chain[i]);
        text_char(text, '\n');
        if (!report->members)
            continue;
        finding_text_line(text, &report->members[i]);
        if (report->all_frames)
            finding_text_stacks(text, &report->members[i], "    ");
    }
    labelled(text, "  fix: ", finding->advice);
    labelled(text, "  now: ", finding->rescue);
}
