// SPDX-License-Identifier: MIT
#include "watch/filling.h"

#include <string.h>

#include "base/clock.h"
#include "kernel/fill_watch.h"
#include "kernel/object_reader.h"
#include "kernel/reader_waits.h"
#include "process/life.h"
#include "report/reporter.h"
#include "watch/context.h"

enum { COST_RATIO = 500 };
#define BETWEEN_SCANS_NS ((uint64_t)100 * NS_PER_MS)

static struct fill_watch watch;
static uint64_t next_scan;

void filling_begin(void)
{
    if (next_scan != 0)
        memset(&watch, 0, sizeof watch);
    next_scan = 0;
}

static bool is_waited_for(const struct object_facts *facts)
{
    const struct object_key key = {facts->pipe.inode, facts->pipe.device};
    bool memory_allowed = (context_permitted_access() & ACCESS_MEMORY) != 0;
    for (unsigned i = 0; i < facts->pipe.peer_count && i < PEER_LIMIT; i++)
        if (reader_waits(facts->pipe.peers[i].pid, key, memory_allowed))
            return true;
    return false;
}

/* A pipe that is full already is left to the report of the write that blocks on it. */
static bool report(void *context, const struct fill_history *pipe,
                   const struct fill_forecast *forecast)
{
    static struct object_facts facts; /* child: scratch */
    (void)context;
    if (object_facts_of_fd(atomic_load(&life->pid), pipe->fd, ROLE_WRITER,
                           context_permitted_access() | ACCESS_PEERS, &facts) < 0 ||
        facts.pipe.full == 1)
        return true;
    if (is_waited_for(&facts))
        return false;
    report_filling(pipe->fd, &facts, forecast);
    return true;
}

uint64_t filling_scan(uint64_t now, bool activity)
{
    unsigned percent = (unsigned)settings.number[SETTING_FILL_WARN];
    if (!activity || percent == 0 || !(context_permitted_access() & ACCESS_BORROW))
        return UINT64_MAX;
    if (now < next_scan)
        return next_scan;
    next_scan = now; /* not 0: from here on there is something to forget */
    uint64_t began = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    fill_watch_scan(&watch, atomic_load(&life->pid), percent, now, report, NULL);
    uint64_t cost = (clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - began) * COST_RATIO;
    next_scan = now + (cost > BETWEEN_SCANS_NS ? cost : BETWEEN_SCANS_NS);
    return next_scan;
}
