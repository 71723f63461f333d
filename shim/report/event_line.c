// SPDX-License-Identifier: MIT
/* Events as one line of JSON for PIPESHIM_ACTION=exec:…, which says what it acts on. */
#include "report/event_json_parts.h"
#include "report/recorder.h"
#include "report/reporter.h"

void report_finding_line(const struct wait_finding *finding, uint64_t seq, uint64_t blocked_ns,
                         char *line, size_t size)
{
    struct text_buffer text;
    char thread[COMM_LIMIT + 1];
    struct event event = {.kind = EVENT_FINDING,
                          .graph = {.finding = finding, .blocked_ns = blocked_ns}};
    text_init(&text, line, size);
    recorder_fill_head(&event, seq, thread);
    event_render(&event_format_json, &text, &event);
}

/* In short: of the call no more is known than what stands in the page. */
void report_wait_line(bool lag, const struct status_call *call, uint64_t seq, int tid, uint64_t ns,
                      char *line, size_t size)
{
    struct text_buffer text;
    struct json_writer json;
    char thread[COMM_LIMIT + 1];
    struct event event = {.kind = lag ? EVENT_LAG : EVENT_BLOCKED, .head.tid = tid};
    recorder_fill_head(&event, seq, thread);
    text_init(&text, line, size);
    event_json_begin(&json, &text, &event);
    if (call) {
        json_put_string(&json, "call", call->call);
        json_put_string(&json, lag ? "cause" : "class",
                        event_class_name((enum call_class)call->class));
        if (call->fd >= 0)
            json_put_signed(&json, "fd", call->fd);
        json_put_string(&json, "object", call->object);
        if (call->where[0])
            json_put_string(&json, "where", call->where);
    }
    json_put_milliseconds(&json, lag ? "lag_ms" : "blocked_ms", ns);
    event_json_end(&json);
}
