// SPDX-License-Identifier: MIT
#include "cli/status/view.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text_buffer.h"
#include "base/utf8.h"
#include "cli/user_name.h"
#include "graph/finding.h"

enum { CELL = 64 };

static const char *const state_names[] = {"new",     "ok",    "DRAINING", "LAG",
                                          "BLOCKED", "STUCK", "DEADLOCK"};
static const char *const order_names[ORDER_COUNT] = {"worst", "since", "blocked", "lag",
                                                     "queue", "cpu",   "name",    "pid"};

const char *view_state_name(enum process_state state)
{
    return state_names[state];
}

const char *view_order_name(enum view_order order)
{
    return order_names[order];
}

bool view_parse_order(const char *name, enum view_order *order)
{
    for (unsigned i = 0; i < ORDER_COUNT; i++) {
        if (strcmp(name, order_names[i]) == 0) {
            *order = (enum view_order)i;
            return true;
        }
    }
    return false;
}

enum process_state view_state(const struct watched *process)
{
    const struct status_page *page = &process->page;
    if (process->named.by_pid != 0)
        return process->named.kind == FINDING_DEADLOCK ? STATE_DEADLOCK : STATE_STUCK;
    if (process->state != PAGE_READ)
        return STATE_NOT_BEGUN;
    if (page->active[FINDING_DEADLOCK])
        return STATE_DEADLOCK;
    for (unsigned kind = 0; kind < FINDING_KINDS; kind++)
        if (page->active[kind])
            return STATE_STUCK;
    if (page->call_count > 0)
        return STATE_BLOCKED;
    if (page->lagging)
        return STATE_LAG;
    return page->draining ? STATE_DRAINING : STATE_OK;
}

const struct status_call *view_oldest_call(const struct status_page *page)
{
    const struct status_call *oldest = NULL;
    for (uint32_t i = 0; i < page->call_count; i++)
        if (!oldest || page->calls[i].since_ns < oldest->since_ns)
            oldest = &page->calls[i];
    return oldest;
}

uint64_t view_since(const struct watched *process)
{
    const struct status_page *page = &process->page;
    const struct status_call *call = view_oldest_call(page);
    enum process_state state = view_state(process);
    if (process->named.by_pid != 0)
        return process->named.found_ns;
    if (state >= STATE_BLOCKED && call)
        return call->since_ns;
    if (state >= STATE_STUCK)
        return page->found_ns;
    if (state == STATE_LAG)
        return page->lag_since_ns;
    return state == STATE_DRAINING && page->drain_count > 0 ? page->drains[0].begun_ns : 0;
}

uint64_t view_age(uint64_t now, uint64_t since)
{
    return since && since < now ? now - since : 0;
}

/* The larger comes first. */
static uint64_t weight(const struct watched *process, enum view_order order)
{
    const struct status_page *page = &process->page;
    uint64_t sum = 0;
    switch (order) {
    case ORDER_SINCE:
        return view_since(process) ? UINT64_MAX - view_since(process) : 0;
    case ORDER_BLOCKED:
        for (unsigned class = 0; class < CLASS_COUNT; class ++)
            sum += page->classes[class].returned_ns;
        return sum;
    case ORDER_LAG:
        for (uint32_t i = 0; i < page->loop_count; i++)
            if (page->loops[i].lag_max_ns > sum)
                sum = page->loops[i].lag_max_ns;
        return sum;
    case ORDER_QUEUE:
        for (uint32_t i = 0; i < page->drain_count; i++)
            sum += page->drains[i].queued_bytes;
        return sum;
    case ORDER_CPU:
        return page->watchdog_cpu_ns;
    default:
        return 0;
    }
}

static enum view_order sorted_by; /* for compare(), which qsort() gives nothing */

static int compare(const void *a, const void *b)
{
    const struct watched *left = *(struct watched *const *)a;
    const struct watched *right = *(struct watched *const *)b;
    uint64_t left_weight = weight(left, sorted_by);
    uint64_t right_weight = weight(right, sorted_by);
    int by_name = sorted_by == ORDER_NAME ? strcmp(left->name, right->name) : 0;
    if (by_name != 0)
        return by_name;
    if (left_weight != right_weight)
        return left_weight > right_weight ? -1 : 1;
    enum process_state left_state = view_state(left);
    enum process_state right_state = view_state(right);
    if (sorted_by != ORDER_PID && left_state != right_state)
        return left_state > right_state ? -1 : 1;
    uint64_t left_since = view_since(left);
    uint64_t right_since = view_since(right);
    if (sorted_by != ORDER_PID && left_since != right_since)
        return left_since < right_since ? -1 : 1;
    return (left->pid > right->pid) - (left->pid < right->pid);
}

void view_sort(struct watched **processes, size_t count, enum view_order order)
{
    sorted_by = order;
    if (count > 0)
        qsort(processes, count, sizeof(struct watched *), /* NOLINT(bugprone-sizeof-expression) */
              compare);
}

const char *view_duration(char *cell, uint64_t ns)
{
    uint64_t seconds = ns / NS_PER_S;
    if (ns == 0)
        cell[0] = '\0';
    else if (seconds < 60)
        snprintf(cell, 32, "%llu.%llus", (unsigned long long)seconds,
                 (unsigned long long)(ns % NS_PER_S / (NS_PER_S / 10)));
    else if (seconds < 3600)
        snprintf(cell, 32, "%llum%02llus", (unsigned long long)(seconds / 60),
                 (unsigned long long)(seconds % 60));
    else
        snprintf(cell, 32, "%lluh%02llum", (unsigned long long)(seconds / 3600),
                 (unsigned long long)(seconds / 60 % 60));
    return cell;
}

const char *view_printable(char *to, size_t capacity, const char *from)
{
    struct text_buffer text;
    text_init(&text, to, capacity);
    text_printable(&text, from);
    return to;
}

struct cells {
    char thread[CELL], call[CELL], on[CELL], fill[CELL], peer[CELL], where[4 * STATUS_WHERE];
};

static void fill_cells(struct cells *cells, const struct watched *process)
{
    char text[CELL];
    const struct status_call *call = view_oldest_call(&process->page);
    *cells = (struct cells){0};
    if (process->named.by_pid != 0) {
        const struct status_member *member = &process->named.member;
        view_printable(cells->call, sizeof cells->call, member->waits_in);
        view_printable(cells->on, sizeof cells->on, member->object);
        if (member->for_pid)
            snprintf(cells->peer, sizeof cells->peer, "for [%d]", member->for_pid);
        snprintf(cells->where, sizeof cells->where, "(not watched)");
        return;
    }
    if (view_state(process) < STATE_BLOCKED || !call)
        return;
    view_printable(text, sizeof text, call->call);
    if (call->fd >= 0)
        snprintf(cells->call, sizeof cells->call, "%.20s %d", text, call->fd);
    else
        snprintf(cells->call, sizeof cells->call, "%.24s", text);
    view_printable(cells->thread, sizeof cells->thread, call->thread);
    view_printable(cells->on, sizeof cells->on, call->object);
    if (call->capacity > 0)
        snprintf(cells->fill, sizeof cells->fill, " %lld/%lld", (long long)call->used,
                 (long long)call->capacity);
    if (call->peer_pid)
        snprintf(cells->peer, sizeof cells->peer, "%.20s[%d]",
                 view_printable(text, sizeof text, call->peer), call->peer_pid);
    view_printable(cells->where, sizeof cells->where, call->where);
}

const char *view_heading(unsigned columns)
{
    return columns && columns < VIEW_WIDE
               ? "    PID NAME             STATE      SINCE CALL         ON  PEER  WHERE"
               : "    PID USER     NAME             STATE      SINCE THREAD     CALL           ON  "
                 "PEER  WHERE";
}

void view_row(char line[VIEW_LINE], const struct watched *process, uint64_t now, unsigned columns)
{
    struct cells cells;
    char since[32], name[4 * PROCESS_NAME_LIMIT];
    const char *user = user_name(process->user);
    const char *state = state_names[view_state(process)];
    int length;
    fill_cells(&cells, process);
    view_duration(since, view_age(now, view_since(process)));
    view_printable(name, sizeof name, process->name);
    if (columns && columns < VIEW_WIDE)
        length =
            snprintf(line, VIEW_LINE, "%7d %-16.16s %-8s %7s %-12.12s %s%s  %s  %s", process->pid,
                     name, state, since, cells.call, cells.on, cells.fill, cells.peer, cells.where);
    else
        length =
            snprintf(line, VIEW_LINE, "%7d %-8.8s %-16.16s %-8s %7s %-10.10s %-14.14s %s%s  %s  %s",
                     process->pid, user ? user : "?", name, state, since, cells.thread, cells.call,
                     cells.on, cells.fill, cells.peer, cells.where);
    while (length > 0 && line[length - 1] == ' ')
        line[--length] = '\0';
}

/* In the row, and user, executable, unit and container besides. */
bool view_matches(const struct watched *process, const char *filter)
{
    char line[VIEW_LINE];
    const char *user = user_name(process->user);
    if (user && strcasestr(user, filter))
        return true;
    view_row(line, process, 0, 0);
    return strcasestr(line, filter) || strcasestr(process->executable, filter) ||
           strcasestr(process->cgroup.unit, filter) ||
           strcasestr(process->cgroup.container, filter);
}

void view_totals(char line[VIEW_LINE], const struct watched_list *list, struct watched **processes,
                 size_t count)
{
    unsigned of_state[STATE_DEADLOCK + 1] = {0};
    char clock[16], host[64] = "", shown[4 * sizeof host];
    time_t now = time(NULL);
    struct tm local;
    struct text_buffer text;
    size_t watched = 0;
    for (size_t i = 0; i < count; i++) {
        of_state[view_state(processes[i])]++;
        watched += processes[i]->named.by_pid == 0;
    }
    strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&now, &local));
    gethostname(host, sizeof host - 1);
    text_init(&text, line, VIEW_LINE);
    text_format(&text, "pipeshim top  %s  %s  %u watched", clock,
                view_printable(shown, sizeof shown, host), (unsigned)watched);
    for (int state = STATE_DEADLOCK; state >= STATE_DRAINING; state--)
        if (of_state[state] > 0)
            text_format(&text, "  %u %s", of_state[state], state_names[state]);
    if (list->unreadable > 0)
        text_format(&text, ", %u may not be read (run as root)", list->unreadable);
    if (list->other_version > 0)
        text_format(&text, ", %u of another version", list->other_version);
}

void view_table(FILE *out, const struct watched_list *list, struct watched **processes,
                size_t count)
{
    char line[VIEW_LINE];
    view_totals(line, list, processes, count);
    fprintf(out, "%s\n%s\n", line, view_heading(0));
    for (size_t i = 0; i < count; i++) {
        view_row(line, processes[i], list->now_ns, 0);
        fprintf(out, "%s\n", line);
    }
}
