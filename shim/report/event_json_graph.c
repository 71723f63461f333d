// SPDX-License-Identifier: MIT
/* The events about what goes on between processes: deadlocks, readers that do not read, pipes that
 * fill. */
#include "report/event_json_parts.h"

void event_json_finding(struct text_buffer *text, const struct event_head *head,
                        const struct wait_finding *finding)
{
    struct json_writer json;
    event_json_begin(&json, text, head);
    if (finding->kind == FINDING_DEADLOCK) {
        json_put_hex(&json, "id", finding->id);
        json_put_string(&json, "certainty", finding->likely ? "likely" : "proven");
    } else {
        json_put_string(&json, "kind", finding_name(finding->kind));
        json_put_string(&json, "finding", finding_name(finding->kind));
    }
    json_open(&json, "chain", '[');
    for (unsigned i = 0; i < finding->count; i++) {
        const struct chain_link *link = &finding->chain[i];
        json_open(&json, NULL, '{');
        json_put_signed(&json, "pid", link->pid);
        json_put_string(&json, "comm", link->comm);
        json_put_signed(&json, "tid", link->tid);
        json_put_string(&json, "waits_in", link->waits_in);
        json_put_string(&json, "object", link->object);
        json_put_signed(&json, "for_pid", link->for_pid);
        json_close(&json, '}');
    }
    json_close(&json, ']');
    json_put_string(&json, "words", finding->words);
    json_put_string(&json, "advice", finding->advice);
    event_json_end(&json);
}

void event_json_filling(struct text_buffer *text, const struct event_head *head, int fd,
                        const struct object_facts *object, const struct fill_forecast *forecast)
{
    struct json_writer json;
    event_json_begin(&json, text, head);
    json_put_signed(&json, "fd", fd);
    json_put_string(&json, "object", object->name);
    event_json_pipe(&json, &object->pipe);
    json_put_signed(&json, "bytes_per_s", forecast->bytes_per_s);
    json_put_milliseconds(&json, "full_in_s", (uint64_t)forecast->full_in_ms * 1000);
    json_put_string(&json, "advice", event_advice_filling());
    event_json_end(&json);
}
