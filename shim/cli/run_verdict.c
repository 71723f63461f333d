// SPDX-License-Identifier: MIT
#include "cli/run_verdict.h"

#include <stdio.h>
#include <string.h>

#include "cli/report/event_fields.h"
#include "config/parse.h"
#include "graph/finding.h"

/* Names of rules that stand for an event of another name. */
static const struct {
    const char *name, *event;
    bool measured; /* a duration may follow */
} known[] = {
    {"deadlock", "deadlock", true},    {"finding", "finding", true},
    {"blocked", "blocked", true},      {"lag", "lag", true},
    {"filling", "filling", false},     {"drop", "drain_drop", false},
    {"rescued", "drain_start", false},
};

static bool parse_rule(const char *text, struct fail_rule *rule)
{
    char name[48];
    uint64_t duration;
    size_t length = strcspn(text, ">");
    *rule = (struct fail_rule){.longer_than = -1};
    if (length == 0 || length >= sizeof name)
        return false;
    memcpy(name, text, length);
    name[length] = '\0';
    bool measured = text[length] == '>';
    if (measured && !parse_duration(text + length + 1, &duration))
        return false;
    if (measured)
        rule->longer_than = (int64_t)(duration / 1000);
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, name) == 0) {
            rule->event = known[i].event;
            return !measured || known[i].measured;
        }
    }
    for (int kind = 0; *finding_name((enum finding_kind)kind); kind++) {
        if (strcmp(finding_name((enum finding_kind)kind), name) == 0) {
            rule->event = "finding";
            rule->kind = finding_name((enum finding_kind)kind);
            return true;
        }
    }
    return false;
}

bool run_verdict_parse(const char *text, struct run_verdict *verdict, char wrong[64])
{
    verdict->count = 0;
    for (const char *at = text;;) {
        char part[64];
        size_t length = strcspn(at, ",");
        snprintf(part, sizeof part, "%.*s", (int)length, at);
        if (length >= sizeof part || verdict->count == FAIL_RULES ||
            !parse_rule(part, &verdict->rules[verdict->count])) {
            snprintf(wrong, 64, "%s", part);
            return false;
        }
        verdict->count++;
        if (at[length] == '\0')
            return true;
        at += length + 1;
    }
}

/* How long it lasted: known at the report, and again at the end. */
static int64_t duration_of(const json_t *event)
{
    int64_t blocked = field_milliseconds(event, "blocked_ms");
    return blocked >= 0 ? blocked : field_milliseconds(event, "lag_ms");
}

/* The end of a call or lag tells the whole of its duration, a `still` how long it is by now. */
static bool is_of(const char *rule, const char *event)
{
    if (strcmp(rule, event) == 0)
        return true;
    if (strcmp(rule, "blocked") == 0)
        return strcmp(event, "unblocked") == 0 || strcmp(event, "still") == 0;
    return strcmp(rule, "lag") == 0 && strcmp(event, "lag_end") == 0;
}

void run_verdict_event(struct run_verdict *verdict, const json_t *event)
{
    const char *name = field_string(event, "event");
    for (unsigned i = 0; i < verdict->count && !verdict->words[0]; i++) {
        const struct fail_rule *rule = &verdict->rules[i];
        int64_t duration = duration_of(event);
        char text[32];
        if (!is_of(rule->event, name) ||
            (rule->kind && strcmp(rule->kind, field_string(event, "kind")) != 0) ||
            (rule->longer_than >= 0 && duration <= rule->longer_than))
            continue;
        snprintf(verdict->words, sizeof verdict->words, "%s of process %lld%s%s", rule->event,
                 (long long)field_integer(event, "pid", 0), duration >= 0 ? ", " : "",
                 duration >= 0 ? duration_text(duration, text) : "");
    }
}
