// SPDX-License-Identifier: MIT
#include "watch/lag_account.h"

#include <string.h>

#include "base/clock.h"
#include "base/text_buffer.h"
#include "kernel/task.h"
#include "watch/context.h"

void lag_account_begin(struct lag_account *account, int tid, uint64_t since, uint64_t now)
{
    account->since_ns = since;
    account->scanned_ns = now;
    memset(account->seen_ns, 0, sizeof account->seen_ns);
    account->seen_running_ns = 0;
    memset(account->calls, 0, sizeof account->calls);
    /* Most lags are over at the next scan (a busy loop is away at each of them): schedstat is left
     * to that one, for it takes ten times as long as the clock, and a proof of the rights. */
    account->last_run_ns = account->run_ns = task_clock_ns(tid);
    account->delay_ns = LAG_UNKNOWN;
}

static void count_call(struct lag_account *account, const char *name, enum call_class class,
                       uint64_t ns)
{
    unsigned at = 0;
    while (at < LAG_CALL_LIMIT && account->calls[at].ns != 0 &&
           strcmp(account->calls[at].name, name) != 0)
        at++;
    if (at == LAG_CALL_LIMIT) {
        at = LAG_CALL_LIMIT - 1; /* the smallest makes space */
        account->calls[at].ns = 0;
    }
    if (account->calls[at].ns == 0) {
        struct text_buffer text;
        text_init(&text, account->calls[at].name, sizeof account->calls[at].name);
        text_string(&text, name);
        account->calls[at].class = class;
    }
    account->calls[at].ns += ns;
    for (; at > 0 && account->calls[at].ns > account->calls[at - 1].ns; at--) {
        struct lag_call larger = account->calls[at];
        account->calls[at] = account->calls[at - 1];
        account->calls[at - 1] = larger;
    }
}

void lag_account_running(struct lag_account *account, uint64_t now)
{
    account->seen_running_ns += now - account->scanned_ns;
    account->scanned_ns = now;
}

void lag_account_call(struct lag_account *account, const char *name, enum call_class class,
                      uint64_t now)
{
    uint64_t elapsed = now - account->scanned_ns;
    account->scanned_ns = now;
    account->seen_ns[class] += elapsed;
    count_call(account, name, class, elapsed);
}

void lag_account_includes(struct lag_account *account, uint64_t since)
{
    if (since < account->since_ns)
        account->since_ns = since;
}

void lag_account_schedule(struct lag_account *account, int tid)
{
    uint64_t as_of_last_tick, delay;
    uint64_t run = task_run_time_ns(tid);
    if (run == 0 || !task_schedule_ns(tid, &as_of_last_tick, &delay))
        return; /* it is gone */
    account->last_run_ns = run;
    account->last_delay_ns = delay;
    if (account->delay_ns != LAG_UNKNOWN)
        return;
    account->delay_ns = delay;
    if (account->run_ns == 0)
        account->run_ns = account->last_run_ns;
}

static void find_cause(struct lag_facts *facts)
{
    facts->cause = CLASS_CPU;
    for (unsigned i = 0; i < CAUSE_COUNT; i++)
        if (facts->share_ns[i] > facts->share_ns[facts->cause])
            facts->cause = i;
}

/* CPU and waiting for it as the scheduler counted them, the rest as it was seen. */
void lag_account_facts(struct lag_account *account, int tid, uint64_t now, struct lag_facts *facts)
{
    uint64_t seen = 0;
    memset(facts, 0, sizeof *facts);
    facts->lag_ns = now - account->since_ns;
    facts->threshold_ns = context_lag_threshold_ns();
    uint64_t rest = facts->lag_ns;
    lag_account_schedule(account, tid);
    if (account->delay_ns != LAG_UNKNOWN) {
        uint64_t ran = account->last_run_ns - account->run_ns;
        uint64_t starved = account->last_delay_ns - account->delay_ns;
        facts->share_ns[CLASS_CPU] = ran < rest ? ran : rest;
        rest -= facts->share_ns[CLASS_CPU];
        facts->share_ns[CAUSE_STARVED] = starved < rest ? starved : rest;
        rest -= facts->share_ns[CAUSE_STARVED];
        /* A wait for the CPU is counted when it ends: what was seen ready and did not run, waits.
         */
        uint64_t counted = facts->lag_ns - rest;
        uint64_t waiting =
            account->seen_running_ns > counted ? account->seen_running_ns - counted : 0;
        if (waiting > rest)
            waiting = rest;
        facts->share_ns[CAUSE_STARVED] += waiting;
        rest -= waiting;
    }
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        seen += account->seen_ns[i];
    for (unsigned i = 0; i < CLASS_COUNT && seen != 0; i++)
        facts->share_ns[i] += (uint64_t)((double)rest * (double)account->seen_ns[i] / (double)seen);
    if (seen == 0)
        facts->share_ns[CLASS_OTHER] += rest;
    while (facts->call_count < LAG_CALL_LIMIT && account->calls[facts->call_count].ns != 0) {
        facts->calls[facts->call_count] = account->calls[facts->call_count];
        facts->call_count++;
    }
    find_cause(facts);
}

void lag_account_count(struct loop_statistics *statistics, uint64_t length)
{
    uint64_t ms = length / NS_PER_MS;
    unsigned bucket = ms == 0 ? 0 : 64 - (unsigned)__builtin_clzll(ms);
    statistics->lag_histogram[bucket < LAG_BUCKETS ? bucket : LAG_BUCKETS - 1]++;
    statistics->lag_total_ns += length;
    if (length >= context_lag_threshold_ns())
        statistics->lags++;
    if (length > statistics->lag_max_ns)
        statistics->lag_max_ns = length;
}
