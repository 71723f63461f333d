// SPDX-License-Identifier: MIT
/* One stream that the relay carries: from the command, through a queue, to whoever reads it. */
#ifndef PIPESHIM_CLI_RELAY_LANE_H
#define PIPESHIM_CLI_RELAY_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "cli/relay/byte_queue.h"
#include "facts/drain_facts.h"

/* What nobody has read for so long is reported; so after a wait that long lane_report() is due. */
enum { LANE_REPORTED_AFTER_NS = 100 * NS_PER_MS };

/* What happens at the bound, as PIPESHIM_DRAIN_OVERFLOW has it. */
enum overflow { OVERFLOW_BLOCK, OVERFLOW_DROP_NEW, OVERFLOW_DROP_OLD };

/* Everything here counts in bytes: a relay sees no writes. */
/* One stream of the command's: from `in`, through the queue, to `out`. */
struct lane {
    int in, out; /* -1: closed */
    int second;  /* a description of our own of a named FIFO, which does not wait; -1 */
    int fd;      /* the command's number */
    bool is_socket;
    struct byte_queue queue;
    bool in_line; /* the last byte sent did not end one */
    uint64_t queued, dropped, lost, handed_over, spooled;
    uint64_t hung_ns;    /* for so long nobody read, each time longer than LANE_REPORTED_AFTER_NS */
    uint64_t moved_ns;   /* when something was sent last, or the queue was empty */
    uint64_t refused_ns; /* when the reader's end took nothing, last; 0: never */
    uint64_t began_ns;   /* of the episode that was reported */
    int report_seq;      /* of its drain_start; 0: none */
    uint64_t reported_dropped;
    bool reader_sought;         /* by lane_find_reader(), */
    struct drain_rescue rescue; /* which fills its first half */
};

/* Takes what the command has written, which there is some of, or its end, at `now`
 * (CLOCK_MONOTONIC, ns). At the bound: as `overflow` says; with OVERFLOW_BLOCK there is space in
 * the queue. */
void lane_receive(struct lane *lane, enum overflow overflow, uint64_t now);

/* Sends what the reader takes without a wait, of what is queued, at `now`. */
void lane_send(struct lane *lane, uint64_t now);

/* For how long the reader has taken nothing of what is queued, in ns; 0: not long. */
uint64_t lane_stands_for(const struct lane *lane, uint64_t now);

/* Nobody reads any more: what is queued is lost, and the command is to get its EPIPE. */
void lane_lose_reader(struct lane *lane);

/* All is sent, and nothing comes any more. */
void lane_close(struct lane *lane);

/* Runs on: the relay. AS-safe: no. Blocks: no. */
#endif
