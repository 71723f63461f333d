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

static void tell_episode(struct lane *lane, uint64_t now, bool end)
{
    char words[256];
    json_t *event = of_lane(lane);
    double ms = (double)(now - lane->began_ns) / NS_PER_MS;
    if (end)
        json_object_set_new(event, "ref", json_integer(lane->told));
    json_object_set_new(event, "queued_bytes", json_integer((json_int_t)lane->queued));
    json_object_set_new(event, "peak_bytes", json_integer((json_int_t)lane->queue.peak));
    json_object_set_new(event, "ms", json_real(ms));
    snprintf(
        words, sizeof words,
        end ? "fd %d: the relay's queue is empty again after %.1f ms, %" PRIu64 " bytes at once"
            : "fd %d is not read fast enough: for %.1f ms, %" PRIu64 " bytes queued by the relay",
        lane->fd, ms, lane->queue.peak);
    int seq = relay_log_event(end ? "drain_end" : "drain_start", event, words);
    lane->told = end ? 0 : seq;
}

void lanes_tell_loss(const char *name, uint64_t bytes, const char *words)
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
void lane_tell(struct lane *lane, uint64_t now)
{
    bool empty = byte_queue_used(&lane->queue) == 0;
    if (empty || lane->out < 0)
        lane->moved_ns = now;
    if (lane->told && empty)
        tell_episode(lane, now, true);
    if (!lane->told && now - lane->moved_ns >= LANE_BEHIND_NS) {
        lane->began_ns = lane->moved_ns;
        tell_episode(lane, now, false);
    }
    if (lane->dropped > lane->told_dropped) {
        lanes_tell_loss("drain_drop", lane->dropped - lane->told_dropped,
                        "dropped: the queue is full");
        lane->told_dropped = lane->dropped;
    }
}

void lane_tell_spool(const struct lane *lane, const char *path, int64_t offset)
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

void lanes_tell_summary(const struct lane *lanes, unsigned count, uint64_t ran_ns)
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
                        json_pack("{s:i, s:I, s:I, s:I, s:i, s:I, s:I, s:I, s:[]}", "episodes", 1,
                                  "queued_bytes", (json_int_t)queued, "peak_bytes",
                                  (json_int_t)peak, "dropped_bytes", (json_int_t)dropped,
                                  "dropped_writes", 0, "lost_bytes", (json_int_t)lost,
                                  "handed_over_bytes", (json_int_t)handed_over, "spooled_bytes",
                                  (json_int_t)spooled, "rescued"));
    json_object_set_new(event, "sites", json_array());
    json_object_set_new(event, "loops", json_array());
    snprintf(words, sizeof words,
             "relayed: %" PRIu64 " bytes, at most %" PRIu64 " at once, %" PRIu64
             " dropped, %" PRIu64 " lost to a dead reader, %" PRIu64 " handed over",
             queued, peak, dropped, lost, handed_over);
    relay_log_event("summary", event, words);
}
