// SPDX-License-Identifier: MIT
#include "watch/filling.h"

#include <string.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "kernel/fill_watch.h"
#include "kernel/object_reader.h"
#include "kernel/reader_waits.h"
#include "kernel/rights.h"
#include "process/life.h"
#include "report/reporter.h"
#include "watch/context.h"

enum { COST_RATIO = 1000 }; /* of each of the two */

static struct fill_watch watch;
static uint64_t found_at; /* the last find; 0: none was made */
static uint64_t
    find_affordable;       /* not before: by its cost; child: kept, found_at says that it counts */
static uint64_t next_look; /* not before */
static uint32_t pairs;     /* made at the last find; child: kept, found_at says that it counts */

void filling_begin(void)
{
    if (found_at != 0)
        memset(&watch, 0, sizeof watch);
    found_at = next_look = 0;
}

static bool is_waited_for_now(const struct object_facts *facts)
{
    const struct object_key key = {facts->pipe.inode, facts->pipe.device};
    bool memory_allowed = (context_permitted_access() & ACCESS_MEMORY) != 0;
    for (unsigned i = 0; i < facts->pipe.peer_count && i < PEER_LIMIT; i++)
        if (reader_waits(facts->pipe.peers[i].pid, key, memory_allowed))
            return true;
    return false;
}

/* A reader that the last write has woken waits again once it has had a CPU. */
static bool is_waited_for(const struct object_facts *facts)
{
    enum { LOOKS = 5 };
    struct timespec moment = {0, 2L * NS_PER_MS};
    bool waited = is_waited_for_now(facts);
    for (int i = 1; i < LOOKS && !waited; i++) {
        raw_syscall(SYS_nanosleep, &moment, 0);
        waited = is_waited_for_now(facts);
    }
    return waited;
}

/* A pipe that is full already is left to the report of the write that blocks on it. Its facts are
 * read once more: what has shrunk since the last look was read. */
static bool report(void *context, const struct fill_history *pipe,
                   const struct fill_forecast *forecast)
{
    static struct object_facts facts; /* child: scratch */
    (void)context;
    if (object_facts_of_fd(atomic_load(&life->pid), pipe->fd, ROLE_WRITER,
                           context_permitted_access() | ACCESS_PEERS, &facts) < 0 ||
        facts.pipe.full == 1)
        return true;
    if (facts.pipe.used < pipe->last.used || is_waited_for(&facts))
        return false;
    report_filling(pipe->fd, &facts, forecast);
    return true;
}

/* Runs `part`, and says when it may run again by what it has cost. */
static uint64_t paid(void (*part)(uint64_t now), uint64_t now)
{
    uint64_t began = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
    part(now);
    return now + (clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - began) * COST_RATIO;
}

static void find(uint64_t now)
{
    (void)now;
    pairs = atomic_load(&life->pairs_made);
    fill_watch_find(&watch, atomic_load(&life->pid));
}

static void look(uint64_t now)
{
    fill_watch_look(&watch, atomic_load(&life->pid), (unsigned)settings.number[SETTING_FILL_WARN],
                    now, report, NULL);
}

/* Once a second, and sooner when the program makes pipes. */
static bool find_is_due(uint64_t now)
{
    bool made = pairs != atomic_load(&life->pairs_made);
    uint64_t pause = made ? NS_PER_S / 10 : NS_PER_S;
    return found_at == 0 || (now >= found_at + pause && now >= find_affordable);
}

static bool is_suspected(void)
{
    for (unsigned i = 0; i < watch.count; i++)
        if (watch.pipes[i].confirmations > 0 && !watch.pipes[i].warned)
            return true;
    return false;
}

uint64_t filling_scan(uint64_t now, bool activity)
{
    if ((!activity && !is_suspected()) || settings.number[SETTING_FILL_WARN] == 0 ||
        !(context_permitted_access() & ACCESS_BORROW))
        return UINT64_MAX;
    bool finds = find_is_due(now);
    if ((!finds && now < next_look) || !rights_hold())
        return next_look;
    if (finds) {
        found_at = now;
        find_affordable = paid(find, now);
    }
    uint64_t affordable = paid(look, now);
    uint64_t wanted = fill_watch_next(&watch);
    /* A suspicion is soon settled: by looks that are no further apart than they should be. */
    next_look = affordable > wanted && !is_suspected() ? affordable : wanted;
    return next_look; /* for a find alone nobody is woken: it is made at the next scan */
}
