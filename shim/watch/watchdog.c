// SPDX-License-Identifier: MIT
#include "watch/watchdog.h"

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "drain/drain.h"
#include "kernel/rights.h"
#include "kernel/task.h"
#include "process/life.h"
#include "report/reporter.h"
#include "report/status_page.h"
#include "slots/slot.h"
#include "watch/action.h"
#include "watch/companions.h"
#include "watch/context.h"
#include "watch/cpu_stacks.h"
#include "watch/deadlock.h"
#include "watch/drain_watch.h"
#include "watch/event_loops.h"
#include "watch/filling.h"
#include "watch/held_findings.h"
#include "watch/known_peers.h"
#include "watch/lag.h"
#include "watch/live_settings.h"
#include "watch/long_waits.h"
#include "watch/metrics.h"
#include "watch/refused_writes.h"
#include "watch/sampler.h"
#include "watch/sleep.h"
#include "watch/slot_scan.h"
#include "watch/slow_reader.h"
#include "watch/stdio_fill.h"

enum {
    /* A wake-up takes 10 to 60 us of CPU, most of it caches that are cold. So the scans follow each
     * other closely where a thread has just begun to make calls, and beside one that makes them all
     * the time only as closely as a report in time demands: a call that has been seen first two
     * thirds of a threshold after it began is reported at one and two thirds. When a loop went
     * away is seen by its calls alone: it is looked at half as often as at first, and closely again
     * while it is away (of a busy asyncio server's only CPU a hundred looks a second take 0.3 %).
     */
    SCANS_PER_THRESHOLD = 10,
    SCANS_PER_THRESHOLD_OF_A_LOOP = 5,
    SHORTEST_INTERVAL_NS = NS_PER_MS,
    LONGEST_INTERVAL_NS = 50 * NS_PER_MS,
    LONGEST_LOOP_INTERVAL_NS = 100 * NS_PER_MS,
    LONGEST_DRAIN_INTERVAL_NS = 20 * NS_PER_MS, /* a program waits for the rescue */
    LONGEST_STEADY_INTERVAL_NS = 200 * NS_PER_MS,
    QUIET_SCANS = 2,
};

static uint64_t between(uint64_t least, uint64_t value, uint64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static uint64_t closest_interval(void)
{
    return between(SHORTEST_INTERVAL_NS, context_smallest_threshold_ns() / SCANS_PER_THRESHOLD,
                   drain_enabled ? LONGEST_DRAIN_INTERVAL_NS : LONGEST_INTERVAL_NS);
}

static uint64_t loop_interval(void)
{
    return between(SHORTEST_INTERVAL_NS,
                   context_smallest_threshold_ns() / SCANS_PER_THRESHOLD_OF_A_LOOP,
                   LONGEST_LOOP_INTERVAL_NS);
}

static uint64_t steady_interval(void)
{
    if (drain_enabled) /* what it let pass untested must not wait long */
        return closest_interval();
    if (event_loops_any())
        return loop_interval();
    return between(SHORTEST_INTERVAL_NS, context_steady_interval_ns(), LONGEST_STEADY_INTERVAL_NS);
}

/* Close after a wake-up by a thread (it makes calls again), then twice as long each time. */
static uint64_t next_interval(bool woken)
{
    static uint64_t interval; /* child: scratch */
    uint64_t closest = closest_interval();
    uint64_t steady = steady_interval();
    interval = woken || interval < closest ? closest : interval * 2;
    interval = interval > steady ? steady : interval;
    return interval;
}

/* Nothing is open that others may look at, or that ends unannounced. */
static bool is_at_peace(const struct scan *scan, unsigned quiet)
{
    return quiet > QUIET_SCANS && !scan->stuck && !held_finding_at(0) && !drain_enabled &&
           settings.number[SETTING_ACTION] == ACTION_LOG && status_page()->call_count == 0;
}

void watchdog_run(void)
{
    unsigned quiet = 0;
    bool woken = true;
    rights_begin();
    enum task_status own = task_read_call((int)raw_syscall(SYS_gettid)).status;
    slots_mark_ends(own == TASK_UNREADABLE || own == TASK_GONE);
    context_begin();
    event_loops_begin();
    lag_begin();
    cpu_stacks_reset();
    sampler_begin();
    long_waits_begin();
    deadlock_begin();
    filling_begin();
    stdio_fill_begin();
    slow_reader_begin();
    known_peers_begin();
    struct scan scan = {.now = clock_monotonic_ns()};
    while (!atomic_load(&life->leave) && rights_stand(scan.now)) {
        woken |= atomic_exchange(&life->wake, 0) != 0;
        scan = (struct scan){.now = scan.now,
                             .next = scan.now + LONGEST_LONG_SLEEP_NS,
                             .closest = closest_interval(),
                             .interval = next_interval(woken)};
        slot_scan(&scan, !woken && quiet > QUIET_SCANS);
        scan_again_at(&scan, sampler_scan(scan.now, scan.activity, scan.stuck));
        scan_again_at(&scan, deadlock_scan(scan.now, scan.stuck));
        scan_again_at(&scan, filling_scan(scan.now, scan.activity));
        scan_again_at(&scan, drain_watch_scan(scan.now));
        refused_writes_scan();
        stdio_fill_scan(scan.now, scan.activity);
        scan_again_at(&scan, report_periodic(scan.now, event_loops_any()));
        scan_again_at(&scan, metrics_poll(scan.now));
        scan_again_at(&scan, action_poll(scan.now));
        live_settings_look();
        quiet = scan.activity || woken ? 0 : quiet + 1;
        if (quiet == QUIET_SCANS)
            slots_disarm();
        /* One more scan after disarming: a call that was on its way in did not see it. */
        if (quiet <= QUIET_SCANS || scan.now < atomic_load(&life->doubted_until))
            scan_again_at(&scan, scan.now + scan.interval);
        if (!is_at_peace(&scan, quiet) || !watchdog_may_sleep_long())
            scan_again_at(&scan, scan.now + LONGEST_SLEEP_NS);
        woken = false;
        watchdog_sleep(scan.next, clock_monotonic_ns());
        scan.now = clock_monotonic_ns();
    }
    cpu_stacks_stop();
    /* Unless it was told to end: the program has given up rights, unannounced. */
    if (!atomic_load(&life->leave) && !atomic_load(&life->stop))
        companions_stop();
}
