// SPDX-License-Identifier: MIT
#include "cli/relay/lane_events.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/relay/lane_reader.h"
#include "cli/relay/relay_log.h"
#include "report/event_text_parts.h"
#include "report/log_path.h"

static json_t *of_lane(const struct lane *lane)
{
    json_t *event = json_object();
    json_object_set_new(event, "fd", json_integer(lane->fd));
    json_object_set_new(event, "object", json_string("relay"));
    return event;
}

static void report_episode(struct lane *lane, uint64_t now, bool end)
{
    char words[256];
    json_t *event = of_lane(lane);
    double ms = (double)(now - lane->began_ns) / NS_PER_MS;
    if (end)
        json_object_set_new(event, "ref", json_integer(lane->report_seq));
    json_object_set_new(event, "queued_bytes", json_integer((json_int_t)lane->queued));
    json_object_set_new(event, "peak_bytes", json_integer((json_int_t)lane->queue.peak));
    json_object_set_new(event, "ms", json_real(ms));
    snprintf(
        words, sizeof words,
        end ? "fd %d: the relay's queue is empty again after %.1f ms, %" PRIu64 " bytes at once"
            : "fd %d is not read fast enough: for %.1f ms, %" PRIu64 " bytes queued by the relay",
        lane->fd, ms, lane->queue.peak);
    int seq = relay_log_event(end ? "drain_end" : "drain_start", event, words);
    lane->report_seq = end ? 0 : seq;
}

void lanes_report_loss(const char *name, uint64_t bytes, const char *words)
{
    char line[256];
    json_t *event = json_object();
    json_object_set_new(event, "bytes", json_integer((json_int_t)bytes));
    json_object_set_new(event, "writes", json_integer(0)); /* a relay sees bytes, not writes */
    if (strcmp(name, "drain_drop") == 0)
        json_object_set_new(event, "reason", json_string("overflow"));
    snprintf(line, sizeof line, "%" PRIu64 " bytes %s", bytes, words);
    relay_log_event(name, event, line);
}

/* What nobody reads is worth a word; what is read is not. */
void lane_report(struct lane *lane, uint64_t now)
{
    bool empty = byte_queue_used(&lane->queue) == 0;
    if (empty || lane->out < 0)
        lane->moved_ns = now;
    if (lane->report_seq && empty)
        report_episode(lane, now, true);
    if (!lane->report_seq && lane_stands_for(lane, now) > 0) {
        lane->began_ns = lane->moved_ns;
        lane_find_reader(lane);
        report_episode(lane, now, false);
    }
    if (lane->dropped > lane->reported_dropped) {
        lanes_report_loss("drain_drop", lane->dropped - lane->reported_dropped,
                          "dropped: the queue is full");
        lane->reported_dropped = lane->dropped;
    }
}

void lane_report_spool(const struct lane *lane, const char *path, int64_t offset)
{
    char words[LOG_PATH_LIMIT + 128];
    json_t *event = of_lane(lane);
    json_object_set_new(event, "path", json_string(path));
    json_object_set_new(event, "offset", json_integer(offset));
    json_object_set_new(event, "bytes", json_integer((json_int_t)lane->spooled));
    json_object_set_new(event, "writes", json_integer(0));
    snprintf(words, sizeof words, "%" PRIu64 " bytes of fd %d, which nobody has read, are in %s",
             lane->spooled, lane->fd, path);
    relay_log_event("drain_spool", event, words);
}

static uint64_t hung_for(const struct lane *lane, uint64_t now)
{
    bool queued = byte_queue_used(&lane->queue) > 0;
    return lane->hung_ns + (queued ? lane_stands_for(lane, now) : 0);
}

/* A name that a process gave itself. */
static json_t *json_name(const char *name)
{
    char printable[WHERE_LIMIT];
    struct text_buffer text;
    text_init(&text, printable, sizeof printable);
    text_printable(&text, name);
    return json_string(printable);
}

static json_t *json_reader(const struct drain_rescue *rescue)
{
    json_t *reader = json_object();
    json_object_set_new(reader, "pid", json_integer(rescue->reader.pid));
    json_object_set_new(reader, "comm", json_name(rescue->reader.comm));
    json_object_set_new(reader, "name", json_name(rescue->reader_name));
    if (rescue->reader.waits_in[0])
        json_object_set_new(reader, "waits_in", json_name(rescue->reader.waits_in));
    if (rescue->where[0])
        json_object_set_new(reader, "where", json_name(rescue->where));
    return reader;
}

static json_t *json_rescue(const struct drain_rescue *rescue)
{
    json_t *one = json_object();
    json_object_set_new(one, "fd", json_integer(rescue->fd));
    json_object_set_new(one, "object", json_name(rescue->object));
    if (rescue->reader.pid != 0)
        json_object_set_new(one, "reader", json_reader(rescue));
    json_object_set_new(one, "hung_ms", json_real((double)rescue->hung_ns / NS_PER_MS));
    json_object_set_new(one, "to_the_end", json_boolean(rescue->to_the_end));
    json_object_set_new(one, "peak_bytes", json_integer((json_int_t)rescue->peak_bytes));
    json_object_set_new(one, "lost_bytes", json_integer((json_int_t)rescue->lost_bytes));
    json_object_set_new(one, "handed_over_bytes",
                        json_integer((json_int_t)rescue->handed_over_bytes));
    json_object_set_new(one, "spooled_bytes", json_integer((json_int_t)rescue->spooled_bytes));
    return one;
}

/* From what the relay kept the command: false: from nothing. */
static bool take_figures(struct lane *lane, uint64_t now)
{
    struct drain_rescue *rescue = &lane->rescue;
    uint64_t left = byte_queue_used(&lane->queue);
    rescue->fd = lane->fd;
    if (left > 0 && hung_for(lane, now) > 0)
        lane_find_reader(lane);
    if (!rescue->object[0])
        snprintf(rescue->object, sizeof rescue->object, "relay");
    rescue->hung_ns = hung_for(lane, now);
    rescue->to_the_end = left > 0 || lane->spooled > 0;
    rescue->peak_bytes = lane->queue.peak;
    rescue->lost_bytes = lane->lost;
    rescue->handed_over_bytes = left;
    rescue->spooled_bytes = lane->spooled;
    return rescue->hung_ns > 0;
}

void lanes_report_summary(struct lane *lanes, unsigned count, uint64_t now, uint64_t ran_ns)
{
    uint64_t queued = 0, peak = 0, dropped = 0, lost = 0, handed_over = 0, spooled = 0;
    char words[PIPE_BUF - 256], rescues[PIPE_BUF - 512]; /* one write, with what is before it */
    struct text_buffer text;
    json_t *rescued = json_array();
    text_init(&text, rescues, sizeof rescues);
    for (size_t i = 0; i < count; i++) {
        if (take_figures(&lanes[i], now)) {
            json_array_append_new(rescued, json_rescue(&lanes[i].rescue));
            text_string(&text, "\n");
            event_text_rescue(&text, &lanes[i].rescue);
        }
        handed_over += byte_queue_used(&lanes[i].queue);
        queued += lanes[i].queued;
        peak = lanes[i].queue.peak > peak ? lanes[i].queue.peak : peak;
        dropped += lanes[i].dropped;
        lost += lanes[i].lost;
        spooled += lanes[i].spooled;
    }
    json_t *event = json_object();
    json_object_set_new(event, "run_ms", json_real((double)ran_ns / NS_PER_MS));
    json_object_set_new(event, "reports", json_integer(0));
    json_object_set_new(event, "drain",
                        json_pack("{s:i, s:I, s:I, s:I, s:i, s:I, s:I, s:I, s:o}", "episodes", 1,
                                  "queued_bytes", (json_int_t)queued, "peak_bytes",
                                  (json_int_t)peak, "dropped_bytes", (json_int_t)dropped,
                                  "dropped_writes", 0, "lost_bytes", (json_int_t)lost,
                                  "handed_over_bytes", (json_int_t)handed_over, "spooled_bytes",
                                  (json_int_t)spooled, "rescued", rescued));
    json_object_set_new(event, "sites", json_array());
    json_object_set_new(event, "loops", json_array());
    snprintf(words, sizeof words,
             "relayed: %" PRIu64 " bytes, at most %" PRIu64 " at once, %" PRIu64
             " dropped, %" PRIu64 " lost, %" PRIu64 " handed over%s",
             queued, peak, dropped, lost, handed_over, rescues);
    relay_log_event("summary", event, words);
}
