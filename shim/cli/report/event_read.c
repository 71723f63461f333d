// SPDX-License-Identifier: MIT
#include "cli/report/event_read.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/report/event_fields.h"
#include "config/setting_table.h"

static void take(const json_t *object, const char *key, char *to, size_t capacity)
{
    snprintf(to, capacity, "%s", field_string(object, key));
}

/* NULL where the event has no such text. */
static const char *text_or_null(const json_t *object, const char *key)
{
    const char *text = field_string(object, key);
    return *text ? text : NULL;
}

static uint64_t nanoseconds(const json_t *object, const char *key)
{
    int64_t microseconds = field_milliseconds(object, key);
    return microseconds > 0 ? (uint64_t)microseconds * 1000 : 0;
}

static uint64_t count(const json_t *object, const char *key)
{
    int64_t value = field_integer(object, key, 0);
    return value > 0 ? (uint64_t)value : 0;
}

static int number(const json_t *object, const char *key)
{
    int64_t value = field_integer(object, key, UNKNOWN_NUMBER);
    return value >= 0 && value <= INT32_MAX ? (int)value : UNKNOWN_NUMBER;
}

static enum call_class class_of(const char *name)
{
    for (int class = 0; class < CLASS_COUNT; class ++)
        if (strcmp(event_class_name((enum call_class) class), name) == 0)
            return (enum call_class) class;
    return CLASS_OTHER;
}

static enum unread unread_of(const char *name)
{
    if (strcmp(name, "other_user") == 0)
        return UNREAD_OTHER_USER;
    return strcmp(name, "protected") == 0 ? UNREAD_PROTECTED : UNREAD_NOT;
}

static void read_unread(const json_t *from, struct unread_count *to)
{
    unsigned all = (unsigned)count(from, "peers_unreadable");
    to->other_users = (unsigned)count(from, "peers_unreadable_other_users");
    to->is_protected = all > to->other_users ? all - to->other_users : 0;
}

static void read_peer(const json_t *from, struct peer_facts *peer)
{
    peer->pid = number(from, "pid");
    peer->fd = number(from, "fd");
    peer->state = *field_string(from, "state");
    take(from, "comm", peer->comm, sizeof peer->comm);
    take(from, "name", peer->name, sizeof peer->name);
    take(from, "waits_in", peer->waits_in, sizeof peer->waits_in);
    peer->unread = unread_of(field_string(from, "unreadable"));
}

static void read_pipe(const json_t *from, struct pipe_facts *pipe)
{
    const json_t *full = json_object_get(from, "full");
    const json_t *peers = json_object_get(from, "peers");
    pipe->inode = count(from, "inode");
    pipe->used = field_integer(from, "used", UNKNOWN_NUMBER);
    pipe->capacity = field_integer(from, "capacity", UNKNOWN_NUMBER);
    pipe->slots = number(from, "slots");
    pipe->slots_used = number(from, "slots_used");
    pipe->full = json_is_boolean(full) ? json_is_true(full) : UNKNOWN_NUMBER;
    pipe->role = strcmp(field_string(from, "role"), "writer") == 0 ? "writer" : "reader";
    pipe->peers_known = json_is_array(peers);
    pipe->peer_count = (unsigned)json_array_size(peers);
    for (unsigned i = 0; i < pipe->peer_count && i < PEER_LIMIT; i++)
        read_peer(json_array_get(peers, i), &pipe->peers[i]);
    read_unread(from, &pipe->unread);
}

static void read_object(const json_t *json, struct object_facts *object)
{
    const json_t *pipe = json_object_get(json, "pipe");
    const json_t *socket = json_object_get(json, "socket");
    const json_t *child = json_object_get(json, "child");
    take(json, "object", object->name, sizeof object->name);
    read_pipe(pipe, &object->pipe); /* what is not there is not known */
    if (json_is_object(pipe)) {
        object->kind = OBJECT_PIPE;
    } else if (json_is_object(socket)) {
        object->kind = OBJECT_SOCKET;
        take(socket, "remote", object->socket.remote, sizeof object->socket.remote);
        object->socket.peer_pid = number(socket, "peer_pid");
        take(socket, "peer_name", object->socket.peer_name, sizeof object->socket.peer_name);
        read_unread(socket, &object->socket.unread);
    }
    if (json_is_object(child) && number(child, "pid") > 0)
        read_peer(child, &object->child);
}

static void read_wait(const json_t *json, struct read_event *to)
{
    struct incident *incident = &to->incident;
    incident->tid = to->event.head.tid;
    take(json, "call", incident->call, sizeof incident->call);
    incident->kernel_call = text_or_null(json, "syscall");
    incident->class = class_of(field_string(json, "class"));
    incident->fd = number(json, "fd");
    incident->bytes = count(json, "bytes");
    incident->blocked_ns = nanoseconds(json, "blocked_ms");
    incident->threshold_ns = nanoseconds(json, "threshold_ms");
    incident->loop = field_true(json, "loop");
    incident->lock_owner_tid = (int)count(json, "behind_tid");
    incident->note = text_or_null(json, "note");
    read_object(json, &incident->object);
    to->event.wait.incident = incident;
    to->event.wait.advice = text_or_null(json, "advice");
    to->event.wait.repeat = count(json, "repeat");
    to->event.wait.repeat_ns = nanoseconds(json, "repeat_ms");
    to->event.wait.where = text_or_null(json, "where");
    to->event.wait.cured = field_string(json, "option")[0] != '\0';
    to->event.wait.with_stack = event_read_stack(json, &to->stack, incident);
}

static void read_shares(const json_t *shares, struct lag_facts *lag)
{
    for (unsigned cause = 0; cause < CAUSE_COUNT; cause++)
        lag->share_ns[cause] = nanoseconds(shares, event_cause_name(cause));
}

static void read_lag(const json_t *json, struct lag_facts *lag)
{
    const json_t *calls = json_object_get(json, "calls");
    const char *cause = field_string(json, "cause");
    lag->lag_ns = nanoseconds(json, "lag_ms");
    lag->cause = strcmp(cause, event_cause_name(CAUSE_STARVED)) == 0 ? (unsigned)CAUSE_STARVED
                                                                     : (unsigned)class_of(cause);
    for (size_t i = 0; i < json_array_size(calls) && i < LAG_CALL_LIMIT; i++) {
        const json_t *call = json_array_get(calls, i);
        struct lag_call *one = &lag->calls[lag->call_count++];
        take(call, "call", one->name, sizeof one->name);
        one->class = class_of(field_string(call, "class"));
        one->ns = nanoseconds(call, "ms");
    }
}

static void on_blocked(const json_t *json, struct read_event *to)
{
    to->event.kind = EVENT_BLOCKED;
    read_wait(json, to);
}

static void read_end(const json_t *json, struct read_event *to)
{
    to->event.end.ref = count(json, "ref");
    to->event.end.blocked_ns = nanoseconds(json, "blocked_ms");
    to->event.end.repeat = count(json, "repeat");
    to->event.end.of_call = field_true(json, "of_call");
    to->event.end.gone = strcmp(field_string(json, "result"), "the thread ended") == 0;
}

static void on_unblocked(const json_t *json, struct read_event *to)
{
    to->event.kind = EVENT_UNBLOCKED;
    read_end(json, to);
}

static void on_still(const json_t *json, struct read_event *to)
{
    to->event.kind = EVENT_STILL;
    read_end(json, to);
}

static void on_lag(const json_t *json, struct read_event *to)
{
    to->event.kind = EVENT_LAG;
    read_lag(json, &to->lag);
    read_shares(json_object_get(json, "shares"), &to->lag);
    read_wait(json, to);
    to->incident.class =
        to->lag.cause == CAUSE_STARVED ? CLASS_CPU : (enum call_class)to->lag.cause;
    to->event.wait.lag = &to->lag;
}

static void on_lag_end(const json_t *json, struct read_event *to)
{
    to->event.kind = EVENT_LAG_END;
    read_end(json, to);
    read_lag(json, &to->lag);
    read_shares(json_object_get(json, "cause"), &to->lag);
    to->event.end.lag = &to->lag;
}

static void on_finding(const json_t *json, struct read_event *to)
{
    to->event.kind = EVENT_FINDING;
    event_finding_read(json, &to->finding);
    to->event.graph.finding = &to->finding.finding;
    to->event.graph.members = to->finding.members;
    to->event.graph.blocked_ns = to->finding.blocked_ns;
}

static void on_filling(const json_t *json, struct read_event *to)
{
    to->event.kind = EVENT_FILLING;
    read_object(json, &to->incident.object);
    to->event.filling.fd = number(json, "fd");
    to->event.filling.object = &to->incident.object;
    to->event.filling.forecast.bytes_per_s = field_integer(json, "bytes_per_s", 0);
    to->event.filling.forecast.full_in_ms = field_milliseconds(json, "full_in_s");
}

static void on_drain(const json_t *json, struct read_event *to)
{
    to->event.kind = EVENT_DRAIN;
    to->drain.fd = number(json, "fd");
    read_object(json, &to->drain.object);
    to->drain.queued_bytes = count(json, "queued_bytes");
    to->drain.peak_bytes = count(json, "peak_bytes");
    to->drain.ns = nanoseconds(json, "ms");
    to->drain.ref = count(json, "ref");
    to->event.drain = &to->drain;
}

static void on_loss(const json_t *json, struct read_event *to)
{
    to->event.kind = EVENT_DRAIN_LOSS;
    if (strcmp(field_string(json, "event"), "drain_handoff") == 0)
        to->event.loss.what = DRAIN_HANDED_OVER;
    else if (strcmp(field_string(json, "reason"), "pid_namespace_ends") == 0)
        to->event.loss.what = DRAIN_LOST_WITH_INIT;
    else if (strcmp(field_string(json, "reason"), "helper_killed") == 0)
        to->event.loss.what = DRAIN_LOST_WITHOUT_HELPER;
    else
        to->event.loss.what = DRAIN_DROPPED;
    to->event.loss.bytes = count(json, "bytes");
    to->event.loss.writes = count(json, "writes");
}

static void on_drain_wait(const json_t *json, struct read_event *to)
{
    struct drain_wait_facts *facts = &to->drain_wait;
    const char *then = field_string(json, "then");
    to->event.kind = EVENT_DRAIN_WAIT;
    facts->fd = number(json, "fd");
    read_object(json, &facts->object);
    facts->bytes = count(json, "bytes");
    facts->waited_ns = nanoseconds(json, "waited_ms");
    facts->limit_ns =
        json_object_get(json, "limit_ms") ? nanoseconds(json, "limit_ms") : UINT64_MAX;
    facts->exits = strcmp(field_string(json, "waits"), "exit") == 0;
    facts->is_first = strcmp(then, "lost") == 0;
    facts->spools = strcmp(then, "spool") == 0;
    to->event.drain_wait = facts;
}

static void on_drain_spool(const json_t *json, struct read_event *to)
{
    struct drain_spool_facts *facts = &to->drain_spool;
    to->event.kind = EVENT_DRAIN_SPOOL;
    facts->fd = number(json, "fd");
    read_object(json, &facts->object);
    facts->path = field_string(json, "path");
    facts->offset = count(json, "offset");
    facts->bytes = count(json, "bytes");
    facts->writes = count(json, "writes");
    to->event.drain_spool = facts;
}

static void on_action(const json_t *json, struct read_event *to)
{
    to->event.kind = EVENT_ACTION;
    to->event.action.name = field_string(json, "action");
    to->event.action.result = field_string(json, "result");
    to->event.action.ref = count(json, "ref");
}

static void on_config(const json_t *json, struct read_event *to)
{
    json_t *before = json_object_get(json, "before"), *changed = json_object_get(json, "changed");
    const char *name;
    json_t *text;
    unsigned count = 0;
    json_object_foreach(changed, name, text)
    {
        int id = setting_find(name, strlen(name));
        if (id < 0 || count == CHANGES_LIMIT)
            continue;
        to->changes[count] =
            (struct setting_change){.id = (enum setting_id)id, .text = field_string(changed, name)};
        to->changed_from[count++] = field_string(before, name);
    }
    to->event.kind = EVENT_CONFIG;
    to->event.config.count = count;
    to->event.config.changes = to->changes;
    to->event.config.before = to->changed_from;
}

static void on_warning(const json_t *json, struct read_event *to)
{
    to->event.kind = EVENT_WARNING;
    to->event.message = field_string(json, "message");
}

static const struct {
    const char *name;
    void (*read)(const json_t *json, struct read_event *to);
} kinds[] = {
    {"blocked", on_blocked},       {"unblocked", on_unblocked},
    {"still", on_still},           {"lag", on_lag},
    {"lag_end", on_lag_end},       {"deadlock", on_finding},
    {"finding", on_finding},       {"filling", on_filling},
    {"drain_start", on_drain},     {"drain_end", on_drain},
    {"drain_drop", on_loss},       {"drain_handoff", on_loss},
    {"drain_wait", on_drain_wait}, {"drain_spool", on_drain_spool},
    {"action", on_action},         {"config", on_config},
    {"warning", on_warning},
};

bool event_read(const json_t *json, struct read_event *to)
{
    const char *name = field_string(json, "event");
    memset(to, 0, sizeof *to);
    to->event.head = (struct event_head){
        .seq = count(json, "seq"),
        .pid = field_small(json, "pid"),
        .tid = number(json, "tid"),
        .executable = field_string(json, "exe"),
        .thread = field_string(json, "thread"),
        .dropped = count(json, "dropped"),
        .suppressed = count(json, "suppressed"),
    };
    if (to->event.head.tid == UNKNOWN_NUMBER)
        to->event.head.tid = to->event.head.pid;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, name) != 0)
            continue;
        kinds[i].read(json, to);
        return true;
    }
    return false;
}
