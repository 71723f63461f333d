// SPDX-License-Identifier: MIT
#include "watch/tracked_calls.h"

#include <string.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/zeroed_memory.h"
#include "watch/context.h"
#include "watch/judge.h"

enum { TRACKED_LIMIT = 1024 };

/* By tid; open addressing. */
struct tracked {
    int tid;
    uint32_t seen; /* the round that saw it last */
    uint64_t number, fd, sp;
    uint64_t run_time; /* has not moved since `since_ns`: it is one and the same sleep */
    uint64_t since_ns;
    struct judgement judgement;
};

/* Mapped when there is a first one; child: kept, it is a mapping */
static struct tables {
    struct tracked tracked[TRACKED_LIMIT], kept[TRACKED_LIMIT];
} * tables;
static bool table_used;       /* something was entered since the table was cleared */
static uint32_t round_number; /* child: kept, only its changes count */
static unsigned tracked_count;
static bool any_before; /* in the round before; child: scratch */
/* child: scratch */
static uint64_t judging_ns; /* CPU time of this round */

void tracked_calls_begin(void)
{
    if (table_used)
        memset(tables->tracked, 0, sizeof tables->tracked);
    table_used = false;
    tracked_count = 0;
}

void tracked_calls_begin_round(void)
{
    any_before = tracked_count != 0;
    tracked_count = 0;
    judging_ns = 0;
    round_number++;
}

static struct tracked *find_tracked(int tid)
{
    if (!tables && !(tables = zeroed_memory(sizeof *tables)))
        return NULL;
    for (unsigned probe = 0; probe < TRACKED_LIMIT; probe++) {
        struct tracked *entry = &tables->tracked[((unsigned)tid + probe) % TRACKED_LIMIT];
        if (entry->tid == tid || entry->tid == 0)
            return entry;
    }
    return NULL;
}

bool tracked_calls_see(int tid, const struct task_call *call, uint64_t now,
                       const struct slot *owner)
{
    struct tracked *entry = find_tracked(tid);
    if (!entry)
        return false;
    uint64_t run_time = task_run_time_ns(tid);
    bool same = entry->tid == tid && entry->number == (uint64_t)call->number &&
                entry->fd == call->arguments[0] && entry->sp == call->sp &&
                entry->run_time == run_time;
    if (!same) {
        if (entry->tid == tid)
            judge_returned(tid, &entry->judgement, entry->since_ns);
        table_used = true;
        *entry = (struct tracked){.tid = tid,
                                  .number = (uint64_t)call->number,
                                  .fd = call->arguments[0],
                                  .sp = call->sp,
                                  .run_time = run_time,
                                  .since_ns = now};
    }
    entry->seen = round_number;
    tracked_count++;
    enum call_class class = owner ? CLASS_LOCK : CLASS_PIPE_WRITE;
    if (entry->judgement.verdict == VERDICT_OPEN &&
        now - entry->since_ns >= context_threshold_ns(class)) {
        uint64_t began = clock_read_ns(CLOCK_THREAD_CPUTIME_ID);
        entry->judgement = judge_sampled(tid, call, entry->since_ns, owner);
        judging_ns += clock_read_ns(CLOCK_THREAD_CPUTIME_ID) - began;
    } else if (entry->judgement.verdict == VERDICT_REPORTED) {
        judge_still(tid, &entry->judgement.report, entry->since_ns, now);
    }
    return !owner && entry->judgement.verdict == VERDICT_REPORTED;
}

bool tracked_calls_has(int tid)
{
    const struct tracked *entry = table_used ? find_tracked(tid) : NULL;
    return entry && entry->tid == tid;
}

bool tracked_calls_any(void)
{
    return tracked_count != 0;
}

/* Closes the gaps, too. */
static void forget_unseen(void)
{
    struct tracked *tracked = tables->tracked, *kept = tables->kept;
    unsigned count = 0;
    for (unsigned i = 0; i < TRACKED_LIMIT; i++) {
        if (tracked[i].tid == 0)
            continue;
        if (tracked[i].seen == round_number)
            kept[count++] = tracked[i];
        else
            judge_returned(tracked[i].tid, &tracked[i].judgement, tracked[i].since_ns);
    }
    memset(tracked, 0, sizeof tables->tracked);
    for (unsigned i = 0; i < count; i++)
        *find_tracked(kept[i].tid) = kept[i];
}

uint64_t tracked_calls_end_round(void)
{
    if (any_before && table_used)
        forget_unseen();
    return judging_ns;
}

void tracked_calls_end_own(void)
{
    struct tracked *entry = table_used ? find_tracked((int)raw_syscall(SYS_gettid)) : NULL;
    if (!entry || entry->tid == 0)
        return;
    judge_returned(entry->tid, &entry->judgement, entry->since_ns);
    entry->judgement.verdict = VERDICT_NOT_REPORTABLE;
}
