// SPDX-License-Identifier: MIT
#include "watch/lag.h"

#include <string.h>

#include "base/clock.h"
#include "kernel/call_table.h"
#include "kernel/rights.h"
#include "kernel/task.h"
#include "watch/context.h"
#include "watch/cpu_stacks.h"
#include "watch/kernel_wait.h"
#include "watch/lag_account.h"
#include "watch/lag_parts.h"
#include "watch/wait_object.h"

enum {
    /* A slot's claim is the wait's return only if it is so young. */
    LAG_FRESH_NS = 20 * NS_PER_MS,
};

static struct lag lags[LOOP_LIMIT];

void lag_begin(void)
{
    for (unsigned i = 0; i < LOOP_LIMIT; i++)
        if (lags[i].generation != 0)
            memset(&lags[i], 0, sizeof lags[i]);
}

struct lag *lag_of(const struct event_loop *loop)
{
    struct lag *lag = &lags[event_loop_index(loop)];
    if (lag->generation != loop->generation || lag->runs != loop->runs) {
        struct loop_statistics kept = {0};
        if (lag->generation == loop->generation) /* the same loop, run again */
            kept = lag->statistics;
        *lag = (struct lag){.generation = loop->generation,
                            .runs = loop->runs,
                            .waits_seen = loop->waits_seen,
                            .statistics = kept};
    }
    if (lag->waits_seen != loop->waits_seen) {
        lag->waits_seen = loop->waits_seen;
        lag->lagging = false;
    }
    return lag;
}

uint64_t lag_ref(const struct event_loop *loop)
{
    return lag_of(loop)->report_seq;
}

void lag_explained_by(const struct event_loop *loop, const struct report_ref *report,
                      uint64_t since_ns)
{
    struct lag *lag = lag_of(loop);
    if (lag->lagging)
        lag_account_includes(&lag->account, since_ns);
    if (lag->is_reported)
        return; /* the call's report refers to the lag's */
    lag->is_reported = true;
    lag->report_seq = report->seq;
    lag->is_of_call = true;
}

static bool is_in_own_wait(const struct event_loop *loop, const struct memory_reader *memory,
                           struct observation *observed)
{
    observed->slotted = slot_copy(loop->slot, &observed->record);
    if (!observed->slotted || call_describe(observed->record.call)->class != CLASS_POLL)
        return false;
    /* The usual case needs no system call. */
    struct task_call unknown = {.status = TASK_RUNNING};
    if (event_loop_own_wait(loop, &observed->record, &unknown, memory))
        return true;
    observed->call = watched_call(loop->tid);
    return event_loop_own_wait(loop, &observed->record, &observed->call, memory);
}

static void begin_lag(struct lag *lag, uint32_t iteration)
{
    lag->lagging = true;
    lag->confirmed = false;
    lag->iteration = iteration;
    lag->is_reported = false;
    lag->report_seq = 0;
    lag->is_of_call = false;
    lag->waits_for_sample = 0;
    lag->classified = 0;
}

/* Names what the thread sleeps in, in the terms of a report. */
static void see_call(struct event_loop *loop, const struct memory_reader *memory,
                     struct observation *observed)
{
    static struct incident incident; /* only for its class; child: scratch */
    struct kernel_wait wait = kernel_wait_of(&observed->call);
    observed->slotted = observed->slotted && slot_speaks_for(loop->slot, &observed->record) &&
                        record_is_of(&observed->record, &observed->call);
    if (observed->slotted) {
        const struct door_description *door = call_describe(observed->record.call);
        wait.class = door->class;
        wait.fd = observed->record.fd;
        wait.detail = observed->record.detail;
        observed->name = door->name;
    } else {
        const struct call_description *known = call_description(observed->call.number);
        observed->name = known ? known->name : "a system call";
    }
    uint64_t which = observed->slotted ? observed->record.sequence : observed->call.sp;
    if (lag_of(loop)->classified != which) {
        incident.tid = loop->tid;
        incident.class = wait.class;
        incident.fd = wait.fd;
        wait_object_read(memory, &observed->call, wait.detail, context_permitted_access(),
                         &incident);
        lag_of(loop)->classified = which;
        lag_of(loop)->class = incident.class;
    }
    observed->class = lag_of(loop)->class;
}

struct collector {
    struct loop_statistics *out;
    unsigned limit, count;
};

static void collect(struct event_loop *loop, void *context)
{
    struct collector *collector = context;
    if (collector->count == collector->limit)
        return;
    struct loop_statistics *out = &collector->out[collector->count];
    *out = lag_of(loop)->statistics;
    if (out->tid != 0) /* else it was never seen away */
        collector->count++;
}

unsigned lag_statistics(struct loop_statistics *out, unsigned limit)
{
    struct collector collector = {out, limit, 0};
    event_loops_for_each(collect, &collector);
    return collector.count;
}

struct visitor {
    void (*visit)(const struct lag_absence *absence, void *context);
    void *context;
};

static void visit_if_away(struct event_loop *loop, void *context)
{
    const struct visitor *visitor = context;
    const struct lag *lag = lag_of(loop);
    const struct lag_absence absence = {
        .tid = loop->tid, .since_ns = lag->account.since_ns, .seq = lag->report_seq};
    if (lag->lagging && lag->is_reported && loop->state != LOOP_LEFT)
        visitor->visit(&absence, visitor->context);
}

void lag_for_each_absence(void (*visit)(const struct lag_absence *absence, void *context),
                          void *context)
{
    struct visitor visitor = {visit, context};
    event_loops_for_each(visit_if_away, &visitor);
}

static void take_longer(const struct lag_absence *absence, void *longest)
{
    struct lag_absence *kept = longest;
    if (kept->tid == 0 || absence->since_ns < kept->since_ns)
        *kept = *absence;
}

bool lag_longest_absence(struct lag_absence *longest)
{
    *longest = (struct lag_absence){0};
    lag_for_each_absence(take_longer, longest);
    return longest->tid != 0;
}

static uint64_t sleeping_since(const struct event_loop *loop, const struct observation *observed)
{
    if (observed->slotted)
        return loop->slot->watch.sequence == observed->record.sequence ? loop->slot->watch.since_ns
                                                                       : 0;
    return lag_of(loop)->unslotted.since_ns;
}

static void follow_lag(struct event_loop *loop, const struct memory_reader *memory,
                       struct observation *observed, uint64_t now)
{
    struct lag *lag = lag_of(loop);
    lag->confirmed = true;
    if (!lag->statistics.thread[0]) /* it may be gone at the end */
        task_name(loop->tid, lag->statistics.thread, sizeof lag->statistics.thread);
    observed->call = watched_call(loop->tid);
    if (observed->call.status == TASK_GONE) {
        lag_end_with_thread(loop, now);
        return;
    }
    /* Kept for the end, which may be the thread's. */
    lag_account_schedule(&lag->account, loop->tid);
    bool sleeps = observed->call.status == TASK_IN_CALL;
    if (sleeps)
        see_call(loop, memory, observed);
    if (sleeps && !observed->slotted)
        lag_follow_unslotted(loop, observed, now);
    else if (lag->unslotted.number >= 0)
        lag_end_unslotted(loop);
    if (sleeps) {
        observed->sleeping_since = sleeping_since(loop, observed);
        lag_account_call(&lag->account, observed->name, observed->class, now);
    } else {
        lag_account_running(&lag->account, now);
    }
    uint64_t lagging = now - lag->account.since_ns;
    if (lag->is_reported || loop->state == LOOP_LEFT)
        return;
    if (!sleeps && lagging >= context_lag_threshold_ns() / 2)
        cpu_stacks_begin(loop->tid);
    if (lagging >= context_lag_threshold_ns() && !lag_is_left_to_call(loop, observed, now))
        lag_report_now(loop, memory, observed, now);
}

/* In its own wait, woken, and not out of it a scan later: it is ready and gets no CPU. A wait that
 * the last scan did not see is not asked for yet: a loop that turns all the time is in another one
 * at each scan. */
static bool is_ready_only(struct event_loop *loop, struct observation *observed, uint64_t now)
{
    struct lag *lag = lag_of(loop);
    bool seen = lag->wait_sequence == observed->record.sequence;
    bool ready_before = lag->ready_sequence == observed->record.sequence;
    lag->wait_sequence = observed->record.sequence;
    lag->ready_sequence = 0;
    if (!seen)
        return false;
    if (observed->call.status != TASK_IN_CALL)
        observed->call = watched_call(loop->tid);
    if (observed->call.status != TASK_RUNNING)
        return false;
    lag->ready_sequence = observed->record.sequence;
    if (!ready_before)
        lag->ready_ns = now;
    return ready_before;
}

/* When it went away: the wait's return woke the watchdog and noted the time, or a scan saw it ready
 * in its wait, or the scan before saw the wait. */
static uint64_t away_since(const struct event_loop *loop, const struct lag *lag, uint64_t now)
{
    uint64_t claimed = loop->slot->claimed_ns;
    if (lag->ready_sequence != 0)
        return lag->ready_ns;
    return claimed > lag->account.scanned_ns && claimed < now && now - claimed < LAG_FRESH_NS
               ? claimed
               : now;
}

uint32_t lag_count_iterations(struct event_loop *loop)
{
    struct lag *lag = lag_of(loop);
    uint32_t iteration = event_loop_returns(loop);
    /* The count begins anew when the loop's wait turns out to be another one. */
    lag->statistics.iterations +=
        iteration >= lag->iterations_seen ? iteration - lag->iterations_seen : iteration;
    lag->iterations_seen = iteration;
    return iteration;
}

struct lag_scan lag_scan(struct event_loop *loop, const struct memory_reader *memory, uint64_t now)
{
    struct lag *lag = lag_of(loop);
    struct observation observed = {.call = {.status = TASK_RUNNING}};
    struct lag_scan here = {.lagging = false};
    if (loop->wait_sp == 0)
        return here; /* it has not made its wait yet: nothing that it could be away from */
    uint32_t iteration = lag_count_iterations(loop);
    bool own = is_in_own_wait(loop, memory, &observed);
    if (!own)
        lag->ready_sequence = 0;
    bool waits = own && !is_ready_only(loop, &observed, now);
    if (lag->lagging && (waits || iteration != lag->iteration))
        lag_end(loop, now);
    if (waits) {
        here.lagging = lag->ready_sequence != 0;
        here.again = UINT64_MAX;
        return here;
    }
    /* A busy loop is seen away at each scan, and elsewhere at the next one: what is done at its
     * first sight opens nothing, so that no proof of the rights is made for it (50 us). */
    if (!lag->lagging) {
        uint64_t since = away_since(loop, lag, now);
        begin_lag(lag, iteration);
        lag_account_begin(&lag->account, loop->tid, since, now);
    } else if (rights_hold()) {
        follow_lag(loop, memory, &observed, now);
    } else { /* it ends at the next scan */
        here.again = UINT64_MAX;
        return here;
    }
    uint64_t due = lag->account.since_ns + context_lag_threshold_ns();
    return (struct lag_scan){
        .lagging = true, .lasts = lag->confirmed, .again = due > now ? due : UINT64_MAX};
}
