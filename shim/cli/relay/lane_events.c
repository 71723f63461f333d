// SPDX-License-Identifier: MIT
#include "cli/relay/lane_events.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/relay/relay_log.h"
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
    if (!lane->report_seq && now - lane->moved_ns >= LANE_REPORTED_AFTER_NS) {
        lane->began_ns = lane->moved_ns;
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

/* What the relay kept the command: it would have hung for so long. Who should have read is not
 * known: the relay looks at nobody. */
static json_t *rescued(const struct lane *lanes, unsigned count, uint64_t now)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        uint64_t left = byte_queue_used(&lanes[i].queue);
        uint64_t hung_ns = hung_for(&lanes[i], now);
        if (hung_ns == 0)
            continue;
        json_t *one = of_lane(&lanes[i]);
        json_object_set_new(one, "hung_ms", json_real((double)hung_ns / NS_PER_MS));
        json_object_set_new(one, "to_the_end", json_boolean(left > 0 || lanes[i].spooled > 0));
        json_object_set_new(one, "peak_bytes", json_integer((json_int_t)lanes[i].queue.peak));
        json_object_set_new(one, "lost_bytes", json_integer((json_int_t)lanes[i].lost));
        json_object_set_new(one, "handed_over_bytes", json_integer((json_int_t)left));
        json_object_set_new(one, "spooled_bytes", json_integer((json_int_t)lanes[i].spooled));
        json_array_append_new(list, one);
    }
    return list;
}

void lanes_report_summary(const struct lane *lanes, unsigned count, uint64_t now, uint64_t ran_ns)
{
    uint64_t queued = 0, peak = 0, dropped = 0, lost = 0, handed_over = 0, spooled = 0;
    char words[256];
    for (size_t i = 0; i < count; i++) {
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
                                  (json_int_t)spooled, "rescued", rescued(lanes, count, now)));
    json_object_set_new(event, "sites", json_array());
    json_object_set_new(event, "loops", json_array());
    uint64_t hung_ns = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t of_it = hung_for(&lanes[i], now);
        hung_ns = of_it > hung_ns ? of_it : hung_ns;
    }
    snprintf(words, sizeof words,
             "relayed: %" PRIu64 " bytes, at most %" PRIu64 " at once, %" PRIu64
             " dropped, %" PRIu64 " lost, %" PRIu64 " handed over; it would have hung for %.1f ms",
             queued, peak, dropped, lost, handed_over, (double)hung_ns / NS_PER_MS);
    relay_log_event("summary", event, words);
}
