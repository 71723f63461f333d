// SPDX-License-Identifier: MIT
/* What `pipeshim top --json` says. */
#include "cli/status/view.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text_buffer.h"
#include "base/utf8.h"
#include "cli/user_name.h"
#include "graph/finding.h"
#include "report/event.h"

static json_t *text_json(const char *text)
{
    char clean[4 * STATUS_WORDS];
    struct text_buffer buffer;
    text_init(&buffer, clean, sizeof clean);
    text_printable(&buffer, text);
    return json_string(clean);
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
    set(object, "blocked_ms", ms_json(view_age(now, call->since_ns)));
    if (call->capacity > 0) {
        set(object, "used", json_integer(call->used));
        set(object, "capacity", json_integer(call->capacity));
    }
    if (call->peer_pid) {
        set(object, "peer_pid", json_integer(call->peer_pid));
        set(object, "peer", text_json(call->peer));
    }
    if (call->where[0])
        set(object, "where", text_json(call->where));
    return object;
}

static json_t *loop_json(const struct status_loop *loop)
{
    json_t *object = json_object();
    json_t *histogram = json_array();
    set(object, "tid", json_integer(loop->tid));
    set(object, "thread", text_json(loop->thread));
    set(object, "turns", json_integer((json_int_t)loop->iterations));
    set(object, "lags", json_integer((json_int_t)loop->lags));
    set(object, "lag_max_ms", ms_json(loop->lag_max_ns));
    /* How many lags were shorter than 1, 2, 4, ... ms, and not than the one before. */
    for (unsigned i = 0; i < LAG_BUCKETS; i++)
        json_array_append_new(histogram, json_integer((json_int_t)loop->lag_histogram[i]));
    set(object, "lag_histogram", histogram);
    return object;
}

static json_t *findings_json(const struct status_page *page)
{
    json_t *object = json_object();
    for (int kind = 0; kind < FINDING_KINDS; kind++) {
        if (page->found[kind] == 0)
            continue;
        json_t *finding = json_object();
        set(finding, "told", json_integer((json_int_t)page->found[kind]));
        set(finding, "active", json_boolean(page->active[kind]));
        set(object, finding_name((enum finding_kind)kind), finding);
    }
    return object;
}

/* Those that hold now, with who waits for whom. */
static json_t *chains_json(const struct status_page *page, uint64_t now)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < page->finding_count; i++) {
        const struct status_finding *finding = &page->findings[i];
        json_t *object = json_object();
        json_t *chain = json_array();
        for (uint32_t k = 0; k < finding->member_count; k++) {
            const struct status_member *member = &finding->members[k];
            json_t *one = json_object();
            set(one, "pid", json_integer(member->pid));
            set(one, "tid", json_integer(member->tid));
            set(one, "name", text_json(member->name));
            set(one, "waits_in", text_json(member->waits_in));
            set(one, "object", text_json(member->object));
            if (member->for_pid)
                set(one, "for_pid", json_integer(member->for_pid));
            json_array_append_new(chain, one);
        }
        set(object, "finding", json_string(finding_name((enum finding_kind)finding->kind)));
        set(object, "tid", json_integer(finding->tid));
        set(object, "since_ms", ms_json(view_age(now, finding->found_ns)));
        set(object, "chain", chain);
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *streams_json(const struct status_page *page)
{
    static const char *const names[STATUS_STREAMS] = {"stdin", "stdout", "stderr"};
    json_t *object = json_object();
    for (int fd = 0; fd < STATUS_STREAMS; fd++) {
        if (page->streams[fd].capacity <= 0)
            continue;
        json_t *stream = json_object();
        set(stream, "used", json_integer(page->streams[fd].used));
        set(stream, "capacity", json_integer(page->streams[fd].capacity));
        set(object, names[fd], stream);
    }
    return object;
}

static json_t *drains_json(const struct status_page *page, uint64_t now)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < page->drain_count; i++) {
        const struct status_drain *drain = &page->drains[i];
        json_t *object = json_object();
        set(object, "fd", json_integer(drain->fd));
        set(object, "inode", json_integer((json_int_t)drain->inode));
        set(object, "queued_bytes", json_integer((json_int_t)drain->queued_bytes));
        set(object, "taken_bytes", json_integer((json_int_t)drain->taken_bytes));
        set(object, "since_ms", ms_json(view_age(now, drain->begun_ns)));
        json_array_append_new(array, object);
    }
    return array;
}

/* By class: what crossed its threshold and what of it has returned. */
static json_t *classes_json(const struct status_page *page)
{
    json_t *object = json_object();
    for (unsigned class = 0; class < CLASS_COUNT; class ++) {
        const struct status_class *of = &page->classes[class];
        if (of->blocked == 0)
            continue;
        json_t *one = json_object();
        set(one, "blocked", json_integer((json_int_t)of->blocked));
        set(one, "returned", json_integer((json_int_t)of->returned));
        set(one, "returned_ms", ms_json(of->returned_ns));
        set(object, event_class_name((enum call_class) class), one);
    }
    return object;
}

static void set_unwatched(json_t *object, const struct watched *process, uint64_t now)
{
    const struct status_member *member = &process->named.member;
    set(object, "since_ms", ms_json(view_age(now, process->named.found_ns)));
    set(object, "named_by", json_integer(process->named.by_pid));
    set(object, "waits_in", text_json(member->waits_in));
    set(object, "object", text_json(member->object));
    if (member->for_pid)
        set(object, "for_pid", json_integer(member->for_pid));
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
    set(object, "state", json_string(view_state_name(view_state(process))));
    set(object, "watched", json_boolean(process->named.by_pid == 0));
    if (process->cgroup.unit[0])
        set(object, "unit", text_json(process->cgroup.unit));
    if (process->cgroup.container[0])
        set(object, "container", text_json(process->cgroup.container));
    if (process->named.by_pid != 0)
        set_unwatched(object, process, now);
    if (process->named.by_pid != 0 || process->state != PAGE_READ) {
        json_decref(calls);
        json_decref(loops);
        return object;
    }
    set(object, "since_ms", ms_json(view_age(now, view_since(process))));
    for (uint32_t i = 0; i < page->call_count; i++)
        json_array_append_new(calls, call_json(&page->calls[i], now));
    for (uint32_t i = 0; i < page->loop_count; i++)
        json_array_append_new(loops, loop_json(&page->loops[i]));
    set(object, "threads", calls);
    set(object, "loops", loops);
    set(object, "findings", findings_json(page));
    if (view_state(process) >= STATE_STUCK)
        set(object, "words", text_json(page->words));
    set(object, "chains", chains_json(page, now));
    set(object, "classes", classes_json(page));
    set(object, "stdio", streams_json(page));
    set(object, "drains", drains_json(page, now));
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
    size_t watched = 0;
    for (size_t i = 0; i < count; i++)
        watched += processes[i]->named.by_pid == 0;
    set(object, "watched", json_integer((json_int_t)watched));
    set(object, "unreadable", json_integer(list->unreadable));
    set(object, "processes", array);
    return object;
}
