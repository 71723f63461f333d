// SPDX-License-Identifier: MIT
#include "report/event.h"

#include <string.h>

#include "base/clock.h"
#include "base/timestamp.h"
#include "explain/user_frame.h"
#include "report/event_json_compact.h"
#include "report/event_json_parts.h"
#include "report/javascript_frames.h"
#include "report/json_writer.h"

/* A byte of a name may become six ("\\u0001"): the longest module and symbol, and the numbers. */
enum {
    COMPACT_SITE = 1200, /* two, so that a loop finds space behind it */
    SPACE_FOR_FRAME = 6 * (MODULE_PATH_LIMIT + SYMBOL_NAME_LIMIT) + 300,
    SPACE_FOR_JAVASCRIPT_FRAME = 6 * (JAVASCRIPT_FILE_LIMIT + JAVASCRIPT_FUNCTION_LIMIT) + 250,
    SPACE_FOR_PYTHON_FRAME = 6 * (PYTHON_FILE_LIMIT + PYTHON_FUNCTION_LIMIT) + 100,
};

void event_json_begin(struct json_writer *json, struct text_buffer *text,
                      const struct event_head *head)
{
    char time[TIMESTAMP_SIZE];
    timestamp_rfc3339(head->time_ns, time);
    json_begin(json, text);
    if (event_compact())
        json_cut_strings(json, COMPACT_STRING, COMPACT_RESERVE);
    json_open(json, NULL, '{');
    json_put_string(json, "event", head->event);
    json_put_unsigned(json, "v", 1);
    json_put_unsigned(json, "seq", head->seq);
    json_put_string(json, "time", time);
    json_put_signed(json, "pid", head->pid);
    json_put_signed(json, "tid", head->tid);
    json_put_string(json, "exe", head->executable);
    json_put_string(json, "thread", head->thread);
    if (head->dropped)
        json_put_unsigned(json, "dropped", head->dropped);
    if (head->suppressed)
        json_put_unsigned(json, "suppressed", head->suppressed);
}

void event_json_end(struct json_writer *json)
{
    if (event_compact())
        event_json_modules(json);
    json_close(json, '}');
    text_char(json->text, '\n');
}

void event_json_start(struct text_buffer *text, const struct event_head *head,
                      const struct event_start *start)
{
    struct json_writer json;
    event_json_begin(&json, text, head);
    json_put_string(&json, "version", PIPESHIM_VERSION);
    if (start->host && start->host[0])
        json_put_string(&json, "host", start->host);
    json_put_string(&json, "argv0", start->argv0);
    json_open(&json, "config", '{');
    for (int id = 0; id < SETTING_COUNT; id++)
        if (start->settings->given[id] &&
            event_json_has_space(&json, SPACE_FOR_FRAME, COMPACT_RESERVE + 80))
            json_put_string(&json, setting_name((enum setting_id)id), start->settings->text[id]);
    json_close(&json, '}');
    json_open(&json, "features", '{');
    json_put_string(&json, "stack",
                    settings_stack_depth(start->settings) != 0 ? "unwind tables" : "off");
    json_put_string(&json, "stdio", start->no_stdio ? start->no_stdio : "FILE tables");
    json_put_bool(&json, "sampler", true);
    json_put_string(&json, "cpu_stacks", start->cpu_stacks);
    if (start->python && start->python[0])
        json_put_string(&json, "python", start->python);
    if (start->javascript && start->javascript[0])
        json_put_string(&json, "javascript", start->javascript);
    json_close(&json, '}');
    event_json_end(&json);
}

static void peer(struct json_writer *json, const char *key, const struct peer_facts *peer)
{
    char state[2] = {peer->state, 0};
    json_open(json, key, '{');
    json_put_signed(json, "pid", peer->pid);
    json_put_string(json, "comm", peer->comm);
    if (peer->fd != UNKNOWN_NUMBER)
        json_put_signed(json, "fd", peer->fd);
    if (peer->state)
        json_put_string(json, "state", state);
    if (peer->waits_in[0])
        json_put_string(json, "waits_in", peer->waits_in);
    json_close(json, '}');
}

static void known(struct json_writer *json, const char *key, int64_t number)
{
    if (number != UNKNOWN_NUMBER)
        json_put_signed(json, key, number);
}

void event_json_pipe(struct json_writer *json, const struct pipe_facts *pipe)
{
    json_open(json, "pipe", '{');
    if (pipe->inode)
        json_put_unsigned(json, "inode", pipe->inode);
    known(json, "used", pipe->used);
    known(json, "capacity", pipe->capacity);
    known(json, "slots_used", pipe->slots_used);
    known(json, "slots", pipe->slots);
    if (pipe->full != UNKNOWN_NUMBER)
        json_put_bool(json, "full", pipe->full != 0);
    json_put_string(json, "role", pipe->role);
    if (pipe->peers_known) {
        json_open(json, "peers", '[');
        for (unsigned i = 0; i < pipe->peer_count && i < PEER_LIMIT; i++)
            peer(json, NULL, &pipe->peers[i]);
        json_close(json, ']');
    }
    json_close(json, '}');
}

static void socket_object(struct json_writer *json, const struct socket_facts *socket)
{
    json_open(json, "socket", '{');
    if (socket->family)
        json_put_string(json, "family", socket->family);
    if (socket->local[0])
        json_put_string(json, "local", socket->local);
    if (socket->remote[0])
        json_put_string(json, "remote", socket->remote);
    known(json, "peer_pid", socket->peer_pid);
    json_close(json, '}');
}

static void frame(struct json_writer *json, const struct stack_frame_name *name)
{
    char build_id[2 * BUILD_ID_LIMIT + 1];
    json_open(json, NULL, '{');
    json_put_hex(json, "pc", name->pc);
    if (name->module[0]) {
        json_put_string(json, "module", name->module);
        json_put_hex(json, "offset", name->offset);
    }
    if (name->build_id_size) {
        for (unsigned i = 0; i < name->build_id_size; i++) {
            build_id[2UL * i] = "0123456789abcdef"[name->build_id[i] >> 4];
            build_id[2UL * i + 1] = "0123456789abcdef"[name->build_id[i] & 15];
        }
        build_id[2UL * name->build_id_size] = '\0';
        json_put_string(json, "build_id", build_id);
    }
    if (name->symbol[0]) {
        json_put_string(json, "symbol", name->symbol);
        json_put_unsigned(json, "symbol_offset", name->symbol_offset);
    }
    json_close(json, '}');
}

void event_json_stack(struct json_writer *json, const struct stack_frame_name *frames,
                      unsigned count, bool complete, size_t keep)
{
    unsigned shown = 0;
    if (event_compact()) {
        event_compact_stack(json, frames, count, complete);
        return;
    }
    json_open(json, "stack", '[');
    while (shown < count && json_space(json) > SPACE_FOR_FRAME + keep)
        frame(json, &frames[shown++]);
    json_close(json, ']');
    if (shown < count || !complete)
        json_put_bool(json, "stack_truncated", true);
}

void event_json_python(struct json_writer *json, const struct python_frame *frames, unsigned count,
                       unsigned omitted, size_t keep)
{
    if (event_compact()) {
        event_compact_python(json, frames, count, omitted);
        return;
    }
    json_open(json, "python", '[');
    for (unsigned i = 0; i < count; i++) {
        const struct python_frame *frame = &frames[i];
        if (json_space(json) < SPACE_FOR_PYTHON_FRAME + keep) {
            omitted += count - i;
            break;
        }
        json_open(json, NULL, '{');
        json_put_string(json, "file", frame->file);
        if (frame->line > 0)
            json_put_signed(json, "line", frame->line);
        json_put_string(json, "function", frame->function);
        json_close(json, '}');
    }
    json_close(json, ']');
    if (omitted)
        json_put_unsigned(json, "python_omitted", omitted);
}

static const char *const tiers[] = {
    [JAVASCRIPT_INTERPRETED] = "interpreted", [JAVASCRIPT_BASELINE] = "baseline",
    [JAVASCRIPT_MAGLEV] = "maglev",           [JAVASCRIPT_TURBOFAN] = "turbofan",
    [JAVASCRIPT_BUILTIN] = "builtin",
};

static void put_positive(struct json_writer *json, const char *key, int number)
{
    if (number > 0)
        json_put_signed(json, key, number);
}

static void put_if(struct json_writer *json, const char *key, bool flag)
{
    if (flag)
        json_put_bool(json, key, true);
}

static void javascript_frame(struct json_writer *json, const struct javascript_frame *frame)
{
    json_open(json, NULL, '{');
    if (frame->file[0])
        json_put_string(json, "file", frame->file);
    put_positive(json, "line", frame->line);
    put_positive(json, "column", frame->column);
    if (frame->readable)
        json_put_string(json, "function", javascript_function_name(frame));
    put_if(json, "unreadable", !frame->readable);
    put_positive(json, "function_line", frame->function_line);
    if (frame->tier < sizeof tiers / sizeof *tiers && tiers[frame->tier])
        json_put_string(json, "tier", tiers[frame->tier]);
    put_if(json, "inlined", frame->inlined);
    put_if(json, "near", frame->near);
    put_if(json, "generated", frame->generated);
    json_close(json, '}');
}

void event_json_javascript(struct json_writer *json, const struct javascript_frame *frames,
                           unsigned count, unsigned omitted, size_t keep)
{
    if (event_compact()) {
        event_compact_javascript(json, frames, count, omitted);
        return;
    }
    json_open(json, "javascript", '[');
    for (unsigned i = 0; i < count; i++) {
        if (json_space(json) < SPACE_FOR_JAVASCRIPT_FRAME + keep) {
            omitted += count - i;
            break;
        }
        javascript_frame(json, &frames[i]);
    }
    json_close(json, ']');
    if (omitted)
        json_put_unsigned(json, "javascript_omitted", omitted);
}

static void event_json_where(struct json_writer *json, const struct incident *incident)
{
    char where[WHERE_LIMIT];
    struct text_buffer text;
    text_init(&text, where, sizeof where);
    user_frame_words(&text, incident->python, incident->python_count, incident->javascript,
                     incident->javascript_count, incident->frames, incident->frame_count);
    if (where[0])
        json_put_string(json, "where", where);
}

void event_json_stacks(struct json_writer *json, const struct incident *incident, bool with_stack)
{
    json_put_hex(json, "stack_id", incident->stack_hash);
    json_put_unsigned(json, "explained_us",
                      (clock_monotonic_ns() - incident->begun_ns) / NS_PER_US);
    const size_t end = EVENT_SPACE_FOR_END, stack = EVENT_SPACE_FOR_STACK;
    event_json_where(json, incident);
    if (with_stack && incident->python_count)
        event_json_python(json, incident->python, incident->python_count, incident->python_omitted,
                          end + stack);
    if (with_stack && incident->javascript_count)
        event_json_javascript(json, incident->javascript, incident->javascript_count,
                              incident->javascript_omitted, end + stack);
    if (with_stack)
        event_json_stack(json, incident->frames, incident->frame_count, incident->stack_complete,
                         end);
}

static void named_object(struct json_writer *json, const char *kind, const char *key,
                         const char *name)
{
    json_open(json, kind, '{');
    json_put_string(json, key, name);
    json_close(json, '}');
}

static void object(struct json_writer *json, const struct object_facts *facts)
{
    switch (facts->kind) {
    case OBJECT_PIPE:
    case OBJECT_FIFO:
    case OBJECT_SOCKETPAIR:
        event_json_pipe(json, &facts->pipe);
        break;
    case OBJECT_SOCKET:
        socket_object(json, &facts->socket);
        break;
    case OBJECT_FILE:
        named_object(json, "file", "path", facts->name);
        break;
    case OBJECT_HOST:
        named_object(json, "dns", "name", facts->name);
        break;
    default:
        break;
    }
    if (facts->child.pid)
        peer(json, "child", &facts->child);
}

void event_json_blocked(struct text_buffer *text, const struct event_head *head,
                        const struct incident *incident, bool with_stack)
{
    struct json_writer json;
    const char *advice = event_advice(incident);
    event_json_begin(&json, text, head);
    json_put_string(&json, "call", incident->call);
    if (incident->kernel_call)
        json_put_string(&json, "syscall", incident->kernel_call);
    json_put_string(&json, "class", event_class_name(incident->class));
    if (incident->fd >= 0)
        json_put_signed(&json, "fd", incident->fd);
    if (incident->object.name[0])
        json_put_string(&json, "object", incident->object.name);
    if (incident->bytes)
        json_put_unsigned(&json, "bytes", incident->bytes);
    json_put_milliseconds(&json, "blocked_ms", incident->blocked_ns);
    json_put_milliseconds(&json, "threshold_ms", incident->threshold_ns);
    json_put_bool(&json, "loop", incident->loop);
    object(&json, &incident->object);
    if (incident->lock_owner_tid) {
        json_put_signed(&json, "behind_tid", incident->lock_owner_tid);
        json_put_unsigned(&json, "behind_ref", incident->lock_owner_ref);
    }
    if (incident->lag_ref)
        json_put_unsigned(&json, "ref", incident->lag_ref);
    if (incident->note)
        json_put_string(&json, "note", incident->note);
    if (advice)
        json_put_string(&json, "advice", advice);
    event_json_stacks(&json, incident, with_stack);
    event_json_end(&json);
}

void event_json_still(struct text_buffer *text, const struct event_head *head,
                      const struct event_unblocked *event)
{
    struct json_writer json;
    event_json_begin(&json, text, head);
    json_put_unsigned(&json, "ref", event->ref);
    json_put_milliseconds(&json, "blocked_ms", event->blocked_ns);
    event_json_end(&json);
}

void event_json_unblocked(struct text_buffer *text, const struct event_head *head,
                          const struct event_unblocked *event)
{
    struct json_writer json;
    event_json_begin(&json, text, head);
    json_put_unsigned(&json, "ref", event->ref);
    json_put_milliseconds(&json, "blocked_ms", event->blocked_ns);
    json_put_string(&json, "result", event->gone ? "the thread ended" : "returned");
    event_json_end(&json);
}

void event_json_action(struct text_buffer *text, const struct event_head *head, const char *action,
                       uint64_t ref, const char *result)
{
    struct json_writer json;
    event_json_begin(&json, text, head);
    json_put_string(&json, "action", action);
    if (ref != 0)
        json_put_unsigned(&json, "ref", ref);
    json_put_string(&json, "result", result);
    event_json_end(&json);
}

void event_json_config(struct text_buffer *text, const struct event_head *head,
                       const struct event_config *config)
{
    struct json_writer json;
    event_json_begin(&json, text, head);
    json_open(&json, "changed", '{');
    for (unsigned i = 0; i < config->count; i++)
        json_put_string(&json, setting_name(config->changes[i].id), config->changes[i].text);
    json_close(&json, '}');
    json_open(&json, "before", '{');
    for (unsigned i = 0; i < config->count; i++)
        json_put_string(&json, setting_name(config->changes[i].id), config->before[i]);
    json_close(&json, '}');
    event_json_end(&json);
}

void event_json_warning(struct text_buffer *text, const struct event_head *head,
                        const char *message)
{
    struct json_writer json;
    event_json_begin(&json, text, head);
    json_put_string(&json, "message", message);
    event_json_end(&json);
}

void event_json_summary(struct text_buffer *text, const struct event_head *head,
                        const struct summary *summary)
{
    struct json_writer json;
    event_json_begin(&json, text, head);
    json_put_milliseconds(&json, "run_ms", summary->run_ns);
    json_put_unsigned(&json, "reports", summary->reports);
    json_put_unsigned(&json, "held_back", summary->held_back);
    json_put_unsigned(&json, "suppressed_total", summary->suppressed);
    json_put_unsigned(&json, "dropped_total", summary->dropped);
    json_put_milliseconds(&json, "overhead_ms", summary->watchdog_cpu_ns);
    if (summary->drain_on)
        event_json_drain_totals(&json, summary);
    if (event_compact())
        json_cut_strings(&json, COMPACT_STRING / 4, COMPACT_SITE / 2);
    json_open(&json, "sites", '[');
    for (unsigned i = 0; i < summary->site_count; i++) {
        const struct summary_site *site = &summary->sites[i];
        if (!event_json_has_space(&json, SPACE_FOR_FRAME + EVENT_SPACE_FOR_END, COMPACT_SITE))
            break;
        json_open(&json, NULL, '{');
        json_put_string(&json, "call", site->call);
        json_put_string(&json, "class", event_class_name(site->class));
        json_put_string(&json, "object", site->object);
        json_put_string(&json, "where", site->where);
        json_put_hex(&json, "stack_id", site->hash);
        json_put_unsigned(&json, "count", site->count);
        json_put_unsigned(&json, "unreturned", site->count - site->returned);
        json_put_milliseconds(&json, "total_ms", site->total_ns);
        json_put_milliseconds(&json, "max_ms", site->max_ns);
        json_put_milliseconds(&json, "p50_ms", summary_percentile_ns(site, 50));
        json_put_milliseconds(&json, "p99_ms", summary_percentile_ns(site, 99));
        json_close(&json, '}');
    }
    json_close(&json, ']');
    event_json_loops(&json, summary);
    event_json_end(&json);
}
