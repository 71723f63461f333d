// SPDX-License-Identifier: MIT
/* All that is known of one process: of its page, and from a diagnosis. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/top/top.h"
#include "cli/user_name.h"
#include "graph/finding.h"
#include "report/event.h"

enum { CLEAN = 4 * STATUS_WORDS };

/* A few at once may be in one line. */
static const char *clean(const char *text)
{
    static char copies[4][CLEAN];
    static unsigned next;
    return view_printable(copies[next++ % 4], CLEAN, text);
}

static void write_head(const struct watched *process, uint64_t now, FILE *out)
{
    char since[32];
    const char *user = user_name(process->user);
    fprintf(out, "%s[%d]  %s  user %s", clean(process->name), process->pid,
            clean(process->executable), user ? user : "?");
    if (process->cgroup.unit[0])
        fprintf(out, "  unit %s", clean(process->cgroup.unit));
    if (process->cgroup.container[0])
        fprintf(out, "  container %s", clean(process->cgroup.container));
    fprintf(out, "\n%s  %s\n", view_state_name(view_state(process)),
            view_duration(since, view_age(now, view_since(process))));
    if (process->named.by_pid == 0 && view_state(process) >= STATE_STUCK)
        fprintf(out, "%s\n", clean(process->page.words));
    if (process->named.by_pid != 0)
        fprintf(out, "It does not run the library; a finding of process %d names it.\n",
                process->named.by_pid);
}

static void write_calls(const struct status_page *page, uint64_t now, FILE *out)
{
    char since[32];
    if (page->call_count > 0)
        fputs("\nBlocked now\n", out);
    for (uint32_t i = 0; i < page->call_count; i++) {
        const struct status_call *call = &page->calls[i];
        fprintf(out, "  %s[%d]  %s", clean(call->thread), call->tid, clean(call->call));
        if (call->fd >= 0)
            fprintf(out, " fd %d", call->fd);
        fprintf(out, "  %s  %s", view_duration(since, view_age(now, call->since_ns)),
                event_class_name((enum call_class)call->class));
        if (call->object[0])
            fprintf(out, "  on %s", clean(call->object));
        if (call->capacity > 0)
            fprintf(out, " %lld of %lld bytes", (long long)call->used, (long long)call->capacity);
        if (call->peer_pid)
            fprintf(out, "  other end %s[%d]", clean(call->peer), call->peer_pid);
        fprintf(out, "%s%s\n", call->where[0] ? "  at " : "", clean(call->where));
    }
    if (page->calls_lost > 0)
        fprintf(out, "  and %llu more\n", (unsigned long long)page->calls_lost);
}

static void write_chains(const struct status_page *page, uint64_t now, FILE *out)
{
    char since[32];
    for (uint32_t i = 0; i < page->finding_count; i++) {
        const struct status_finding *finding = &page->findings[i];
        fprintf(out, "\nChain: %s, found %s ago, thread %d\n",
                finding_name((enum finding_kind)finding->kind),
                view_duration(since, view_age(now, finding->found_ns)), finding->tid);
        for (uint32_t k = 0; k < finding->member_count; k++) {
            const struct status_member *member = &finding->members[k];
            fprintf(out, "  %s[%d]  %s  %s", clean(member->name), member->pid,
                    clean(member->waits_in), clean(member->object));
            if (member->for_pid)
                fprintf(out, "  for [%d]", member->for_pid);
            fputc('\n', out);
        }
    }
}

/* The buckets are powers of two: the upper end of the one in which that part of all lags ends. */
static uint64_t percentile_ms(const struct status_loop *loop, unsigned percent)
{
    uint64_t count = 0, seen = 0;
    for (unsigned i = 0; i < LAG_BUCKETS; i++)
        count += loop->lag_histogram[i];
    for (unsigned i = 0; i < LAG_BUCKETS; i++) {
        seen += loop->lag_histogram[i];
        if (seen * 100 >= count * percent)
            return (uint64_t)1 << i;
    }
    return 0;
}

static void write_histogram(const struct status_loop *loop, FILE *out)
{
    enum { BAR = 40 };
    uint64_t most = 1;
    for (unsigned i = 0; i < LAG_BUCKETS; i++)
        if (loop->lag_histogram[i] > most)
            most = loop->lag_histogram[i];
    for (unsigned i = 0; i < LAG_BUCKETS; i++) {
        uint64_t count = loop->lag_histogram[i];
        if (count == 0)
            continue;
        int bar = (int)(count > UINT64_MAX / BAR ? BAR : (count * BAR + most - 1) / most);
        fprintf(out, "    < %7llu ms %10llu %.*s\n", 1ULL << i, (unsigned long long)count, bar,
                "########################################");
    }
}

static void write_loops(const struct status_page *page, FILE *out)
{
    for (uint32_t i = 0; i < page->loop_count; i++) {
        const struct status_loop *loop = &page->loops[i];
        fprintf(out,
                "\nEvent loop %s[%d]: %llu turns, %llu late; p50 below %llu ms, p99 below %llu ms, "
                "longest %llu ms\n",
                clean(loop->thread), loop->tid, (unsigned long long)loop->iterations,
                (unsigned long long)loop->lags, (unsigned long long)percentile_ms(loop, 50),
                (unsigned long long)percentile_ms(loop, 99),
                (unsigned long long)(loop->lag_max_ns / NS_PER_MS));
        write_histogram(loop, out);
    }
}

static void write_pipes(const struct status_page *page, uint64_t now, FILE *out)
{
    static const char *const names[STATUS_STREAMS] = {"stdin", "stdout", "stderr"};
    char since[32];
    const char *title = "\nPipes\n";
    for (int fd = 0; fd < STATUS_STREAMS; fd++) {
        if (page->streams[fd].capacity <= 0)
            continue;
        fprintf(out, "%s  %s: %lld of %lld bytes\n", title, names[fd],
                (long long)page->streams[fd].used, (long long)page->streams[fd].capacity);
        title = "";
    }
    for (uint32_t i = 0; i < page->drain_count; i++) {
        const struct status_drain *drain = &page->drains[i];
        fprintf(out, "%s  fd %d, pipe %llu: %llu bytes queued, %llu taken, for %s\n", title,
                drain->fd, (unsigned long long)drain->inode,
                (unsigned long long)drain->queued_bytes, (unsigned long long)drain->taken_bytes,
                view_duration(since, view_age(now, drain->begun_ns)));
        title = "";
    }
}

static void write_counts(const struct status_page *page, uint64_t now, FILE *out)
{
    char time[32];
    fprintf(out, "\nSince it is watched (%s)\n",
            view_duration(time, view_age(now, page->begun_ns)));
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        const struct status_class *of = &page->classes[class];
        if (of->blocked == 0)
            continue;
        fprintf(out, "  %s: %llu blocked", event_class_name((enum call_class) class),
                (unsigned long long)of->blocked);
        if (of->returned > 0)
            fprintf(out, ", %llu returned after %s in all\n", (unsigned long long)of->returned,
                    view_duration(time, of->returned_ns));
        else
            fputs(", none returned\n", out);
    }
    for (unsigned kind = 0; kind < FINDING_KINDS; kind++)
        if (page->found[kind] > 0)
            fprintf(out, "  %s: found %llu time%s\n", finding_name((enum finding_kind)kind),
                    (unsigned long long)page->found[kind], page->found[kind] == 1 ? "" : "s");
    if (page->drained_bytes > 0)
        fprintf(out, "  drainer: %llu bytes through the queue, %llu dropped\n",
                (unsigned long long)page->drained_bytes,
                (unsigned long long)page->drain_dropped_bytes);
    fprintf(out, "  reports held back %llu, by rules %llu; log records dropped %llu\n",
            (unsigned long long)page->held_back, (unsigned long long)page->suppressed,
            (unsigned long long)page->dropped);
    fprintf(out, "  the library's own CPU time: %llu ms\n",
            (unsigned long long)(page->watchdog_cpu_ns / NS_PER_MS));
}

void top_detail(const struct top *top, const struct watched *process, const char *diagnosis,
                FILE *out)
{
    uint64_t now = top->list.now_ns;
    write_head(process, now, out);
    if (process->named.by_pid == 0 && process->state == PAGE_READ) {
        write_calls(&process->page, now, out);
        write_chains(&process->page, now, out);
        write_pipes(&process->page, now, out);
        write_loops(&process->page, out);
        write_counts(&process->page, now, out);
    }
    fputs("\nThreads and stacks (d looks again)\n", out);
    fputs(diagnosis ? diagnosis : "  not looked at yet\n", out);
}

char *top_diagnose(int pid)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    diagnose_to(pid, out);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}
