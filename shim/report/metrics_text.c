// SPDX-License-Identifier: MIT
#include "report/metrics_text.h"

#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "graph/finding.h"
#include "report/event.h"

/* What is written: the text, its format, and the groups that each family goes through. */
struct rendering {
    struct text_buffer *text;
    const struct metrics_group *groups;
    unsigned count;
    uint64_t now_ns;
    bool open_metrics;
};

enum { FILL_DIGITS = 4 }; /* of METRICS_FILL_ONE */

void metrics_label(struct text_buffer *labels, const char *name, const char *value)
{
    text_format(labels, "%s%s=\"", labels->length > 0 ? "," : "", name);
    for (const char *p = value; *p; p++) {
        if (*p == '\\' || *p == '"')
            text_format(labels, "\\%c", *p);
        else if (*p == '\n')
            text_string(labels, "\\n");
        else if ((unsigned char)*p < ' ' || (unsigned char)*p >= 127)
            text_char(labels, '?'); /* it must be UTF-8 */
        else
            text_char(labels, *p);
    }
    text_char(labels, '"');
}

/* A counter's family has `_total` in its name in Prometheus' format alone. */
static void family(struct rendering *to, const char *name, const char *type, const char *help)
{
    const char *suffix = !to->open_metrics && strcmp(type, "counter") == 0 ? "_total" : "";
    text_format(to->text, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix,
                type);
}

static void begin_sample(struct rendering *to, const struct metrics_group *group, const char *name,
                         const char *suffix, const char *label, const char *value)
{
    text_format(to->text, "%s%s{%s", name, suffix, group->labels);
    if (label) {
        text_format(to->text, ",%s=\"", label);
        struct text_buffer escaped;
        char memory[4 * STATUS_TEXT];
        text_init(&escaped, memory, sizeof memory);
        metrics_label(&escaped, "", value); /* ="value" */
        text_bytes(to->text, memory + 2, escaped.length - 2);
    }
}

static void end_count(struct rendering *to, uint64_t value)
{
    text_format(to->text, "} %llu\n", (unsigned long long)value);
}

static void end_seconds(struct rendering *to, uint64_t ns)
{
    text_format(to->text, "} %llu.", (unsigned long long)(ns / NS_PER_S));
    text_padded(to->text, ns % NS_PER_S, 9);
    text_char(to->text, '\n');
}

static void count_sample(struct rendering *to, const struct metrics_group *group, const char *name,
                         const char *suffix, const char *label, const char *value, uint64_t count)
{
    begin_sample(to, group, name, suffix, label, value);
    end_count(to, count);
}

/* One number of each group. */
static void numbers(struct rendering *to, const char *name, const char *type, const char *help,
                    size_t place)
{
    family(to, name, type, help);
    const char *suffix = strcmp(type, "counter") == 0 ? "_total" : "";
    for (unsigned i = 0; i < to->count; i++) {
        uint64_t value;
        memcpy(&value, (const char *)to->groups[i].page + place, sizeof value);
        count_sample(to, &to->groups[i], name, suffix, NULL, NULL, value);
    }
}

static void bucket_sample(struct rendering *to, const struct metrics_group *group, const char *name,
                          const char *label, const char *value, uint64_t end_ms, uint64_t count)
{
    begin_sample(to, group, name, "_bucket", label, value);
    if (end_ms == UINT64_MAX) {
        text_string(to->text, ",le=\"+Inf\"");
    } else {
        text_format(to->text, ",le=\"%llu.", (unsigned long long)(end_ms / 1000));
        uint64_t rest = end_ms % 1000;
        unsigned width = 3;
        for (; width > 1 && rest % 10 == 0; width--)
            rest /= 10;
        text_padded(to->text, rest, width);
        text_char(to->text, '"');
    }
    end_count(to, count);
}

static void blocked_histogram(struct rendering *to)
{
    static const char name[] = "pipeshim_blocked_seconds";
    static const unsigned ends_ms[STATUS_BUCKETS] = STATUS_BUCKET_MS;
    family(to, name, "histogram", "Calls that crossed their threshold and have returned.");
    for (unsigned i = 0; i < to->count; i++)
        for (unsigned class = 0; class < CLASS_COUNT; class ++) {
            const struct status_class *of = &to->groups[i].page->classes[class];
            const char *value = event_class_name((enum call_class) class);
            uint64_t sum = 0;
            if (of->blocked == 0)
                continue;
            for (unsigned k = 0; k < STATUS_BUCKETS; k++)
                bucket_sample(to, &to->groups[i], name, "class", value, ends_ms[k],
                              sum += of->bucket[k]);
            sum += of->bucket[STATUS_BUCKETS];
            bucket_sample(to, &to->groups[i], name, "class", value, UINT64_MAX, sum);
            begin_sample(to, &to->groups[i], name, "_sum", "class", value);
            end_seconds(to, of->returned_ns);
            count_sample(to, &to->groups[i], name, "_count", "class", value, sum);
        }
}

static void blocked_gauges(struct rendering *to)
{
    static const char now[] = "pipeshim_blocked_now";
    static const char oldest[] = "pipeshim_blocked_oldest_seconds";
    for (int second = 0; second < 2; second++) {
        if (second)
            family(to, oldest, "gauge", "How long the oldest of them has been blocked.");
        else
            family(to, now, "gauge", "Calls that are blocked beyond their threshold.");
        for (unsigned i = 0; i < to->count; i++)
            for (unsigned class = 0; class < CLASS_COUNT; class ++) {
                const char *value = event_class_name((enum call_class) class);
                unsigned count = to->groups[i].blocked_now[class];
                uint64_t since = count ? to->groups[i].blocked_since[class] : to->now_ns;
                if (to->groups[i].page->classes[class].blocked == 0)
                    continue;
                begin_sample(to, &to->groups[i], second ? oldest : now, "", "class", value);
                if (second)
                    end_seconds(to, since < to->now_ns ? to->now_ns - since : 0);
                else
                    end_count(to, count);
            }
    }
}

static void findings(struct rendering *to)
{
    for (int second = 0; second < 2; second++) {
        if (second)
            family(to, "pipeshim_finding_active", "gauge", "Processes in such a wait now.");
        else
            family(to, "pipeshim_findings", "counter",
                   "Waits told that cannot end, or whose other end is not listening.");
        for (unsigned i = 0; i < to->count; i++)
            for (unsigned kind = 0; kind < FINDING_KINDS; kind++) {
                const struct status_page *page = to->groups[i].page;
                count_sample(
                    to, &to->groups[i], second ? "pipeshim_finding_active" : "pipeshim_findings",
                    second ? "" : "_total", "finding", finding_name((enum finding_kind)kind),
                    second ? page->active[kind] : page->found[kind]);
            }
    }
}

static void lag_histogram(struct rendering *to)
{
    enum { LAST = 15 }; /* 16 s */
    static const char name[] = "pipeshim_loop_lag_seconds";
    family(to, name, "histogram", "How long event loops were away from their wait.");
    for (unsigned i = 0; i < to->count; i++)
        for (uint32_t k = 0; k < to->groups[i].page->loop_count; k++) {
            const struct status_loop *loop = &to->groups[i].page->loops[k];
            uint64_t sum = 0;
            for (unsigned bucket = 0; bucket < LAG_BUCKETS; bucket++) {
                sum += loop->lag_histogram[bucket];
                if (bucket < LAST)
                    bucket_sample(to, &to->groups[i], name, "loop", loop->thread,
                                  (uint64_t)1 << bucket, sum);
            }
            bucket_sample(to, &to->groups[i], name, "loop", loop->thread, UINT64_MAX, sum);
            begin_sample(to, &to->groups[i], name, "_sum", "loop", loop->thread);
            end_seconds(to, loop->lag_total_ns);
            count_sample(to, &to->groups[i], name, "_count", "loop", loop->thread, sum);
        }
}

static void lag_causes(struct rendering *to)
{
    static const char name[] = "pipeshim_loop_lag_cause_seconds";
    family(to, name, "counter", "What event loops did beyond their threshold.");
    for (unsigned i = 0; i < to->count; i++)
        for (unsigned cause = 0; cause < CAUSE_COUNT; cause++) {
            uint64_t ns = to->groups[i].page->lag_cause_ns[cause];
            if (ns == 0)
                continue;
            begin_sample(to, &to->groups[i], name, "_total", "cause", event_cause_name(cause));
            end_seconds(to, ns);
        }
}

static void stdio_fill(struct rendering *to)
{
    static const char name[] = "pipeshim_stdio_fill_ratio";
    static const char *const streams[STATUS_STREAMS] = {"stdin", "stdout", "stderr"};
    family(to, name, "gauge", "How full the pipe is, of the process where it is fullest.");
    for (unsigned i = 0; i < to->count; i++)
        for (int fd = 0; fd < STATUS_STREAMS; fd++) {
            const struct status_stream *stream = &to->groups[i].streams[fd];
            uint64_t fill = metrics_fill(stream);
            if (stream->capacity <= 0)
                continue;
            begin_sample(to, &to->groups[i], name, "", "stream", streams[fd]);
            text_format(to->text, "} %llu.", (unsigned long long)(fill / METRICS_FILL_ONE));
            text_padded(to->text, fill % METRICS_FILL_ONE, FILL_DIGITS);
            text_char(to->text, '\n');
        }
}

/* Of a process without a drainer there are none of these. */
static void drain_queues(struct rendering *to)
{
    static const char name[] = "pipeshim_drain_queue_bytes";
    static const char *const fds[METRICS_FDS] = {"0", "1", "2", "other"};
    family(to, name, "gauge", "Bytes in the drainer's queue now.");
    for (unsigned i = 0; i < to->count; i++)
        for (int fd = 0; fd < METRICS_FDS; fd++)
            if (to->groups[i].page->drained_bytes > 0 || to->groups[i].queued_bytes[fd] > 0)
                count_sample(to, &to->groups[i], name, "", "fd", fds[fd],
                             to->groups[i].queued_bytes[fd]);
}

static void host_sample(struct rendering *to, const char *reason, unsigned count)
{
    text_format(to->text, "pipeshim_unread_processes{reason=\"%s\"} %u\n", reason, count);
}

static void of_the_host(struct rendering *to, const struct metrics_host *host)
{
    static const char folded[] = "pipeshim_groups_folded";
    family(to, "pipeshim_unread_processes", "gauge", "Processes that could not be looked at.");
    host_sample(to, "permission", host->not_permitted);
    host_sample(to, "version", host->other_version);
    host_sample(to, "torn", host->torn);
    family(to, folded, "counter", "Groups of dead processes that were added to exe=other.");
    text_format(to->text, "%s_total %llu\n", folded, (unsigned long long)host->folded);
}

static void overheads(struct rendering *to)
{
    static const char name[] = "pipeshim_reports_held_back";
    family(to, name, "counter", "Reports that were counted and not logged.");
    for (unsigned i = 0; i < to->count; i++) {
        const struct status_page *page = to->groups[i].page;
        count_sample(to, &to->groups[i], name, "_total", "reason", "limit", page->held_back);
        count_sample(to, &to->groups[i], name, "_total", "reason", "rule", page->suppressed);
    }
    family(to, "pipeshim_watchdog_cpu_seconds", "counter", "CPU time of the library's thread.");
    for (unsigned i = 0; i < to->count; i++) {
        begin_sample(to, &to->groups[i], "pipeshim_watchdog_cpu_seconds", "_total", NULL, NULL);
        end_seconds(to, to->groups[i].page->watchdog_cpu_ns);
    }
}

#define PLACE(member) offsetof(struct status_page, member)

void metrics_render(struct text_buffer *text, const struct metrics_group *groups, unsigned count,
                    const struct metrics_host *host, uint64_t now_ns, bool open_metrics)
{
    struct rendering rendering = {text, groups, count, now_ns, open_metrics};
    struct rendering *to = &rendering;
    const char *build = open_metrics ? "pipeshim_build" : "pipeshim_build_info";
    family(to, build, open_metrics ? "info" : "gauge", "The version that writes this.");
    text_format(text, "pipeshim_build_info{version=\"%s\"} 1\n", PIPESHIM_VERSION);
    family(to, "pipeshim_watched_processes", "gauge", "Processes that run the library.");
    for (unsigned i = 0; i < count; i++)
        count_sample(to, &groups[i], "pipeshim_watched_processes", "", NULL, NULL,
                     groups[i].processes);
    blocked_histogram(to);
    blocked_gauges(to);
    findings(to);
    lag_histogram(to);
    lag_causes(to);
    stdio_fill(to);
    numbers(to, "pipeshim_draining_pipes", "gauge", "Pipes with something queued.",
            PLACE(draining));
    drain_queues(to);
    numbers(to, "pipeshim_drain_bytes", "counter", "Bytes that went through the queue.",
            PLACE(drained_bytes));
    numbers(to, "pipeshim_drain_dropped_bytes", "counter", "Bytes dropped by an overflow policy.",
            PLACE(drain_dropped_bytes));
    numbers(to, "pipeshim_drain_dropped_writes", "counter", "Writes dropped likewise.",
            PLACE(drain_dropped_writes));
    numbers(to, "pipeshim_log_dropped", "counter", "Records that the log could not take.",
            PLACE(dropped));
    overheads(to);
    if (host)
        of_the_host(to, host);
    if (open_metrics)
        text_string(text, "# EOF\n");
}
