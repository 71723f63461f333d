// SPDX-License-Identifier: MIT
#include "watch/lag_account.h"

#include <string.h>

#include "base/clock.h"
#include "base/text_buffer.h"
#include "kernel/task.h"
#include "watch/context.h"

void lag_account_begin(struct absence *absence, int tid, uint64_t since, uint64_t now)
{
    absence->since_ns = since;
    absence->looked_ns = now;
    memset(absence->seen_ns, 0, sizeof absence->seen_ns);
    absence->seen_running_ns = 0;
    memset(absence->calls, 0, sizeof absence->calls);
    if (!task_schedule_ns(tid, &absence->run_ns, &absence->delay_ns))
        absence->run_ns = absence->delay_ns = UINT64_MAX;
    absence->last_run_ns = absence->run_ns;
    absence->last_delay_ns = absence->delay_ns;
}

static void count_call(struct absence *absence, const char *name, enum call_class class,
                       uint64_t ns)
{
    unsigned at = 0;
    while (at < LAG_CALL_LIMIT && absence->calls[at].ns != 0 &&
           strcmp(absence->calls[at].name, name) != 0)
        at++;
    if (at == LAG_CALL_LIMIT) {
        at = LAG_CALL_LIMIT - 1; /* the smallest makes room */
        absence->calls[at].ns = 0;
    }
    if (absence->calls[at].ns == 0) {
        struct text_buffer text;
        text_init(&text, absence->calls[at].name, sizeof absence->calls[at].name);
        text_string(&text, name);
        absence->calls[at].class = class;
    }
    absence->calls[at].ns += ns;
    for (; at > 0 && absence->calls[at].ns > absence->calls[at - 1].ns; at--) {
        struct lag_call larger = absence->calls[at];
        absence->calls[at] = absence->calls[at - 1];
        absence->calls[at - 1] = larger;
    }
}

void lag_account_running(struct absence *absence, uint64_t now)
{
    absence->seen_running_ns += now - absence->looked_ns;
    absence->looked_ns = now;
}

void lag_account_call(struct absence *absence, const char *name, enum call_class class,
                      uint64_t now)
{
    uint64_t elapsed = now - absence->looked_ns;
    absence->looked_ns = now;
    absence->seen_ns[class] += elapsed;
    count_call(absence, name, class, elapsed);
}

void lag_account_schedule(struct absence *absence, int tid)
{
    task_schedule_ns(tid, &absence->last_run_ns, &absence->last_delay_ns);
}

static void find_cause(struct lag_facts *facts)
{
    facts->cause = CLASS_CPU;
    for (unsigned i = 0; i < CAUSE_COUNT; i++)
        if (facts->share_ns[i] > facts->share_ns[facts->cause])
            facts->cause = i;
}

/* CPU and waiting for it as the scheduler counted them, the rest as it was seen. */
void lag_account_facts(const struct absence *absence, int tid, uint64_t now,
                       struct lag_facts *facts)
{
    uint64_t run = absence->last_run_ns;
    uint64_t delay = absence->last_delay_ns;
    uint64_t seen = 0;
    memset(facts, 0, sizeof *facts);
    facts->lag_ns = now - absence->since_ns;
    facts->threshold_ns = context_lag_threshold_ns();
    uint64_t rest = facts->lag_ns;
    task_schedule_ns(tid, &run, &delay);
    if (absence->run_ns != UINT64_MAX) {
        uint64_t ran = run - absence->run_ns;
        uint64_t starved = delay - absence->delay_ns;
        facts->share_ns[CLASS_CPU] = ran < rest ? ran : rest;
        rest -= facts->share_ns[CLASS_CPU];
        facts->share_ns[CAUSE_STARVED] = starved < rest ? starved : rest;
        rest -= facts->share_ns[CAUSE_STARVED];
        /* A wait for the CPU is counted when it ends: what was seen ready and did not run, waits.
         */
        uint64_t counted = facts->lag_ns - rest;
        uint64_t waiting =
            absence->seen_running_ns > counted ? absence->seen_running_ns - counted : 0;
        if (waiting > rest)
            waiting = rest;
        facts->share_ns[CAUSE_STARVED] += waiting;
        rest -= waiting;
    }
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        seen += absence->seen_ns[i];
    for (unsigned i = 0; i < CLASS_COUNT && seen != 0; i++)
        facts->share_ns[i] += (uint64_t)((double)rest * (double)absence->seen_ns[i] / (double)seen);
    if (seen == 0)
        facts->share_ns[CLASS_OTHER] += rest;
    while (facts->call_count < LAG_CALL_LIMIT && absence->calls[facts->call_count].ns != 0) {
        facts->calls[facts->call_count] = absence->calls[facts->call_count];
        facts->call_count++;
    }
    find_cause(facts);
}

void lag_account_count(struct loop_statistics *statistics, uint64_t length)
{
    uint64_t ms = length / NS_PER_MS;
    unsigned bucket = ms == 0 ? 0 : 64 - (unsigned)__builtin_clzll(ms);
    statistics->absences[bucket < LAG_BUCKETS ? bucket : LAG_BUCKETS - 1]++;
    statistics->absent_ns += length;
    if (length >= context_lag_threshold_ns())
        statistics->lags++;
    if (length > statistics->lag_max_ns)
        statistics->lag_max_ns = length;
}
