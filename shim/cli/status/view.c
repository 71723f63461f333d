// SPDX-License-Identifier: MIT
#include "cli/status/view.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text_buffer.h"
#include "base/utf8.h"
#include "cli/names/demangle.h"
#include "cli/user_name.h"
#include "graph/finding.h"
#include "report/event.h"

enum { CELL = 64 };

static const char *const state_names[] = {"new",     "ok",    "DRAINING", "LAG",
                                          "BLOCKED", "STUCK", "DEADLOCK"};

enum process_state view_state(const struct watched *process)
{
    const struct status_page *page = &process->page;
    if (process->state != PAGE_READ)
        return STATE_NOT_BEGUN;
    if (page->active[FINDING_DEADLOCK])
        return STATE_DEADLOCK;
    for (unsigned kind = 0; kind <= FINDING_EOF_NEVER; kind++)
        if (page->active[kind])
            return STATE_STUCK;
    if (page->call_count > 0)
        return STATE_BLOCKED;
    if (page->lagging)
        return STATE_LAG;
    return page->draining ? STATE_DRAINING : STATE_OK;
}

/* The call that has been blocked for longest; NULL: none is. */
static const struct status_call *oldest_call(const struct status_page *page)
{
    const struct status_call *oldest = NULL;
    for (uint32_t i = 0; i < page->call_count; i++)
        if (!oldest || page->calls[i].since_ns < oldest->since_ns)
            oldest = &page->calls[i];
    return oldest;
}

/* Since when it is as it is; 0: not known. */
static uint64_t state_since(const struct watched *process)
{
    const struct status_call *call = oldest_call(&process->page);
    enum process_state state = view_state(process);
    if (state < STATE_BLOCKED)
        return 0;
    if (call)
        return call->since_ns;
    return process->page.found_ns;
}

static uint64_t age(uint64_t now, uint64_t since)
{
    return since && since < now ? now - since : 0;
}

static int compare(const void *a, const void *b)
{
    const struct watched *left = *(struct watched *const *)a;
    const struct watched *right = *(struct watched *const *)b;
    enum process_state left_state = view_state(left);
    enum process_state right_state = view_state(right);
    if (left_state != right_state)
        return left_state > right_state ? -1 : 1;
    uint64_t left_since = state_since(left);
    uint64_t right_since = state_since(right);
    if (left_since != right_since)
        return left_since < right_since ? -1 : 1;
    return (left->pid > right->pid) - (left->pid < right->pid);
}

void view_sort(struct watched **processes, size_t count, uint64_t now_ns)
{
    (void)now_ns;
    if (count > 0)
        qsort(processes, count, sizeof(struct watched *), /* NOLINT(bugprone-sizeof-expression) */
              compare);
}

static void duration_cell(char cell[CELL], uint64_t ns)
{
    uint64_t seconds = ns / NS_PER_S;
    if (ns == 0)
        cell[0] = '\0';
    else if (seconds < 60)
        snprintf(cell, CELL, "%llu.%llus", (unsigned long long)seconds,
                 (unsigned long long)(ns % NS_PER_S / (NS_PER_S / 10)));
    else if (seconds < 3600)
        snprintf(cell, CELL, "%llum%02llus", (unsigned long long)(seconds / 60),
                 (unsigned long long)(seconds % 60));
    else
        snprintf(cell, CELL, "%lluh%02llum", (unsigned long long)(seconds / 3600),
                 (unsigned long long)(seconds / 60 % 60));
}

/* What a process calls itself may hold anything: nothing of it reaches the terminal as a command.
 */
static const char *printable(char *to, size_t capacity, const char *from)
{
    struct text_buffer text;
    text_init(&text, to, capacity);
    text_printable(&text, from);
    return to;
}

/* Where the program stands, as its author knows it. */
static const char *where_words(const struct status_call *call, char *to, size_t capacity)
{
    return demangle_last_word(call->where, to, capacity) ? to : call->where;
}

static void print_row(FILE *out, const struct watched *process, uint64_t now, unsigned columns,
                      bool colour)
{
    char line[1024], since[CELL], thread[CELL] = "", on[CELL] = "", peer[CELL] = "",
                                  where[4 * STATUS_WHERE] = "", name[CELL];
    char call_words[CELL] = "", fill[CELL] = "", target[CELL] = "";
    const struct status_call *call = oldest_call(&process->page);
    enum process_state state = view_state(process);
    const char *user = user_name(process->user);
    duration_cell(since, age(now, state_since(process)));
    if (state >= STATE_BLOCKED && call) {
        char text[CELL], words[4 * STATUS_WHERE];
        if (call->fd >= 0)
            snprintf(call_words, sizeof call_words, "%.20s %d",
                     printable(text, sizeof text, call->call), call->fd);
        else
            snprintf(call_words, sizeof call_words, "%.24s",
                     printable(text, sizeof text, call->call));
        printable(thread, sizeof thread, call->thread);
        printable(on, sizeof on, call->object);
        if (call->capacity > 0)
            snprintf(fill, sizeof fill, " %lld/%lld", (long long)call->used,
                     (long long)call->capacity);
        if (call->peer_pid)
            snprintf(target, sizeof target, "%.20s[%d]", printable(peer, sizeof peer, call->peer),
                     call->peer_pid);
        printable(where, sizeof where, where_words(call, words, sizeof words));
    }
    int length =
        snprintf(line, sizeof line, "%7d %-8.8s %-16.16s %-8s %7s %-10.10s %-14.14s %s%s  %s  %s",
                 process->pid, user ? user : "?", printable(name, sizeof name, process->name),
                 state_names[state], since, thread, call_words, on, fill, target, where);
    if (length < 0)
        return;
    while (length > 0 && line[length - 1] == ' ')
        line[--length] = '\0';
    if (columns && (unsigned)length > columns)
        line[columns] = '\0';
    const char *paint = !colour                   ? ""
                        : state >= STATE_STUCK    ? "\033[1;31m"
                        : state >= STATE_DRAINING ? "\033[33m"
                                                  : "";
    fprintf(out, "%s%s%s\n", paint, line, *paint ? "\033[0m" : "");
}

static void print_totals(FILE *out, const struct watched_list *list, struct watched **processes,
                         size_t count, unsigned columns)
{
    unsigned of_state[STATE_DEADLOCK + 1] = {0};
    char line[512], clock[16], host[64] = "";
    time_t now = time(NULL);
    struct tm local;
    for (size_t i = 0; i < count; i++)
        of_state[view_state(processes[i])]++;
    strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&now, &local));
    gethostname(host, sizeof host - 1);
    int length =
        snprintf(line, sizeof line, "pipeshim top  %s  %s  %zu watched", clock, host, count);
    if (list->unreadable > 0)
        length += snprintf(line + length, sizeof line - (size_t)length,
                           ", %u may not be read (run as root)", list->unreadable);
    for (int state = STATE_DEADLOCK; state >= STATE_DRAINING; state--)
        if (of_state[state] > 0)
            length += snprintf(line + length, sizeof line - (size_t)length, "  %u %s",
                               of_state[state], state_names[state]);
    if (columns && (unsigned)length > columns)
        line[columns] = '\0';
    fprintf(out, "%s\n", line);
}

void view_table(FILE *out, const struct watched_list *list, struct watched **processes,
                size_t count, unsigned rows, unsigned columns, bool colour)
{
    char heading[256];
    print_totals(out, list, processes, count, columns);
    snprintf(heading, sizeof heading, "%7s %-8s %-16s %-8s %7s %-10s %-14s %s", "PID", "USER",
             "NAME", "STATE", "SINCE", "THREAD", "CALL", "ON  PEER  WHERE");
    fprintf(out, "%.*s\n", columns ? (int)columns : (int)sizeof heading, heading);
    for (size_t i = 0; i < count && (rows == 0 || i < rows); i++)
        print_row(out, processes[i], list->now_ns, columns, colour);
}

static json_t *text_json(const char *text)
{
    char clean[4 * STATUS_WORDS];
    return json_string(printable(clean, sizeof clean, text));
}

static void set(json_t *object, const char *key, json_t *value)
{
    json_object_set_new(object, key, value);
}

static json_t *ms_json(uint64_t ns)
{
    return json_real((double)ns / NS_PER_MS);
}

static json_t *call_json(const struct status_call *call, uint64_t now)
{
    json_t *object = json_object();
    set(object, "tid", json_integer(call->tid));
    set(object, "thread", text_json(call->thread));
    set(object, "call", text_json(call->call));
    set(object, "class", json_string(event_class_name((enum call_class)call->class)));
    if (call->fd >= 0)
        set(object, "fd", json_integer(call->fd));
    if (call->object[0])
        set(object, "object", text_json(call->object));
    set(object, "blocked_ms", ms_json(age(now, call->since_ns)));
    if (call->capacity > 0) {
        set(object, "used", json_integer(call->used));
        set(object, "capacity", json_integer(call->capacity));
    }
    if (call->peer_pid) {
        set(object, "peer_pid", json_integer(call->peer_pid));
        set(object, "peer", text_json(call->peer));
    }
    char words[4 * STATUS_WHERE];
    if (call->where[0])
        set(object, "where", text_json(where_words(call, words, sizeof words)));
    return object;
}

static json_t *loop_json(const struct status_loop *loop)
{
    json_t *object = json_object();
    set(object, "tid", json_integer(loop->tid));
    set(object, "thread", text_json(loop->thread));
    set(object, "turns", json_integer((json_int_t)loop->iterations));
    set(object, "lags", json_integer((json_int_t)loop->lags));
    set(object, "lag_max_ms", ms_json(loop->lag_max_ns));
    return object;
}

static json_t *findings_json(const struct status_page *page)
{
    json_t *object = json_object();
    for (int kind = 0; kind <= FINDING_EOF_NEVER; kind++) {
        if (page->found[kind] == 0)
            continue;
        json_t *finding = json_object();
        set(finding, "told", json_integer((json_int_t)page->found[kind]));
        set(finding, "active", json_boolean(page->active[kind]));
        set(object, finding_name((enum finding_kind)kind), finding);
    }
    return object;
}

static json_t *process_json(const struct watched *process, uint64_t now)
{
    const struct status_page *page = &process->page;
    json_t *object = json_object();
    json_t *calls = json_array();
    json_t *loops = json_array();
    const char *user = user_name(process->user);
    set(object, "pid", json_integer(process->pid));
    set(object, "exe", text_json(process->executable));
    set(object, "name", text_json(process->name));
    if (user)
        set(object, "user", text_json(user));
    set(object, "state", json_string(state_names[view_state(process)]));
    if (process->state != PAGE_READ) {
        json_decref(calls);
        json_decref(loops);
        return object;
    }
    set(object, "since_ms", ms_json(age(now, state_since(process))));
    for (uint32_t i = 0; i < page->call_count; i++)
        json_array_append_new(calls, call_json(&page->calls[i], now));
    for (uint32_t i = 0; i < page->loop_count; i++)
        json_array_append_new(loops, loop_json(&page->loops[i]));
    set(object, "threads", calls);
    set(object, "loops", loops);
    set(object, "findings", findings_json(page));
    if (view_state(process) >= STATE_STUCK)
        set(object, "words", text_json(page->words));
    set(object, "draining", json_integer((json_int_t)page->draining));
    set(object, "drained_bytes", json_integer((json_int_t)page->drained_bytes));
    set(object, "drain_dropped_bytes", json_integer((json_int_t)page->drain_dropped_bytes));
    set(object, "held_back", json_integer((json_int_t)page->held_back));
    set(object, "suppressed", json_integer((json_int_t)page->suppressed));
    set(object, "dropped", json_integer((json_int_t)page->dropped));
    set(object, "watchdog_cpu_ms", ms_json(page->watchdog_cpu_ns));
    return object;
}

json_t *view_json(const struct watched_list *list, struct watched **processes, size_t count)
{
    char clock[64], host[64] = "";
    struct timespec now;
    struct tm utc;
    json_t *object = json_object();
    json_t *array = json_array();
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(clock, sizeof clock, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(clock + length, sizeof clock - length, ".%06ldZ", now.tv_nsec / 1000);
    gethostname(host, sizeof host - 1);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, process_json(processes[i], list->now_ns));
    set(object, "time", json_string(clock));
    set(object, "host", text_json(host));
    set(object, "watched", json_integer((json_int_t)count));
    set(object, "unreadable", json_integer(list->unreadable));
    set(object, "processes", array);
    return object;
}
