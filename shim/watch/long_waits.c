// SPDX-License-Identifier: MIT
#include "watch/long_waits.h"

#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "kernel/call_table.h"
#include "process/life.h"

enum {
    WAIT_LIMIT = 256, /* threads that wait so at once; more are seen by the scans of these */
    FIRST_SCAN_MS = 500,
    /* Not after the sampler's own minute (watch/sleep.h): one wake-up is for both. */
    LONGEST_PAUSE_MS = 58 * 1000,
    RARE_MS = 8000,
    /* An entry that the sampler has looked for in vain for so long is of a thread that went on. */
    FORGET_MS = 2500,
    /* Its looks are that far apart at most; what is longer nobody has looked: the process was
     * stopped, or got no CPU. */
    LOOK_MS = 1000,
};

struct long_wait {
    int tid; /* 0: free */
    long number;
    uint64_t argument, sp; /* the same place and object: the same wait, though it came round */
    uint64_t run_time;     /* and has not run: the same sleep */
    uint64_t since_ns;
    uint64_t asleep_ns; /* in this sleep */
    uint64_t seen_ns;   /* of `looked_ns` */
    /* Looks are due of the place, however often it was left and come back to, and of each sleep. */
    struct schedule {
        uint64_t due_ns, pause_ns;
    } of_place, of_sleep;
};

static struct long_wait waits[WAIT_LIMIT];
static unsigned bound;                /* entries from here on have never been used */
static uint64_t looked_at, looked_ns; /* the last round; for how long it has been looked in all */

void long_waits_begin(void)
{
    memset(waits, 0, bound * sizeof *waits);
    bound = 0;
    looked_at = looked_ns = 0;
}

void long_waits_begin_round(uint64_t now)
{
    uint64_t longest = (uint64_t)LOOK_MS * NS_PER_MS;
    if (looked_at != 0)
        looked_ns += now - looked_at < longest ? now - looked_at : longest;
    looked_at = now;
}

static bool is_of_interest(int tid, const struct task_call *call)
{
    const struct call_description *description = call_description(call->number);
    if (call->status != TASK_IN_CALL || !description)
        return false;
    switch (description->kind) {
    case WAIT_READ:
    case WAIT_WRITE:
    case WAIT_POLL:
    case WAIT_SELECT:
    case WAIT_EPOLL:
    case WAIT_CHILD:
    case WAIT_LOCK:
    case WAIT_CONNECT: /* these are no member of a cycle, and perhaps a reader that does not read */
    case WAIT_SLEEP:
    case WAIT_SIGNAL:
    case WAIT_OPEN:
        return true;
    /* A main thread that waits for another one may be the parent of who is stuck; pools of threads
     * wait so all the time. */
    case WAIT_FUTEX:
        return tid == atomic_load(&life->pid);
    default:
        return false;
    }
}

static struct long_wait *entry_of(int tid)
{
    struct long_wait *unused = NULL;
    for (unsigned i = 0; i < bound; i++) {
        if (waits[i].tid == tid)
            return &waits[i];
        if (waits[i].tid == 0 && !unused)
            unused = &waits[i];
    }
    if (!unused && bound < WAIT_LIMIT)
        unused = &waits[bound++];
    return unused;
}

static bool is_same_place(const struct long_wait *wait, int tid, const struct task_call *call)
{
    return wait->tid == tid && wait->number == call->number &&
           wait->argument == call->arguments[0] && wait->sp == call->sp;
}

static struct schedule begin_schedule(uint64_t now)
{
    uint64_t first = (uint64_t)FIRST_SCAN_MS * NS_PER_MS;
    return (struct schedule){now + first, first};
}

void long_waits_see(int tid, const struct task_call *call, uint64_t now)
{
    if (!is_of_interest(tid, call))
        return;
    struct long_wait *wait = entry_of(tid);
    if (!wait)
        return;
    uint64_t run_time = task_run_time_ns(tid);
    if (!is_same_place(wait, tid, call))
        *wait = (struct long_wait){.tid = tid,
                                   .number = call->number,
                                   .argument = call->arguments[0],
                                   .sp = call->sp,
                                   .run_time = run_time - 1,
                                   .since_ns = now,
                                   .of_place = begin_schedule(now)};
    if (wait->run_time != run_time) {
        wait->of_sleep = begin_schedule(now);
        wait->asleep_ns = now;
    }
    wait->run_time = run_time;
    wait->seen_ns = looked_ns;
}

static void forget_ended(struct long_wait *wait)
{
    if (wait->tid != 0 && looked_ns - wait->seen_ns > (uint64_t)FORGET_MS * NS_PER_MS)
        wait->tid = 0;
}

static unsigned schedules_of(struct long_wait *wait, struct schedule *schedules[2])
{
    if (wait->tid == 0)
        return 0;
    schedules[0] = &wait->of_place;
    schedules[1] = &wait->of_sleep;
    return wait->seen_ns == looked_ns ? 2 : 1; /* awake in the last round: it has not slept since */
}

/* A look is one at all waits: what would be due soon after it is not waited for by itself, or the
 * watchdog of an idle process wakes for each schedule. Only where looks are rare. */
static bool comes_with_a_look(const struct schedule *schedule, uint64_t now)
{
    return now >= schedule->due_ns || (schedule->pause_ns >= (uint64_t)RARE_MS * NS_PER_MS &&
                                       schedule->due_ns - now <= schedule->pause_ns / 2);
}

static void note_look(struct schedule *schedule, uint64_t now)
{
    uint64_t longest = (uint64_t)LONGEST_PAUSE_MS * NS_PER_MS;
    schedule->pause_ns = schedule->pause_ns * 2 < longest ? schedule->pause_ns * 2 : longest;
    schedule->due_ns = now + schedule->pause_ns;
}

bool long_waits_due(uint64_t now, uint64_t *next)
{
    struct schedule *schedules[2];
    bool due = false;
    *next = UINT64_MAX;
    for (unsigned i = 0; i < bound; i++) {
        forget_ended(&waits[i]);
        for (unsigned s = schedules_of(&waits[i], schedules); s > 0; s--)
            due |= now >= schedules[s - 1]->due_ns;
    }
    for (unsigned i = 0; i < bound; i++) {
        for (unsigned s = schedules_of(&waits[i], schedules); s > 0; s--) {
            struct schedule *schedule = schedules[s - 1];
            if (due && comes_with_a_look(schedule, now))
                note_look(schedule, now);
            *next = schedule->due_ns < *next ? schedule->due_ns : *next;
        }
    }
    return due;
}

uint64_t long_waits_since(int tid)
{
    for (unsigned i = 0; i < bound; i++)
        if (waits[i].tid == tid)
            return waits[i].since_ns;
    return 0;
}

uint64_t long_waits_asleep_since(int tid)
{
    for (unsigned i = 0; i < bound; i++)
        if (waits[i].tid == tid && waits[i].run_time == task_run_time_ns(tid))
            return waits[i].asleep_ns;
    return 0;
}

uint64_t long_waits_looked_ns(void)
{
    return looked_ns;
}

int long_waits_oldest(void)
{
    const struct long_wait *oldest = NULL;
    for (unsigned i = 0; i < bound; i++)
        if (waits[i].tid != 0 && (!oldest || waits[i].since_ns < oldest->since_ns))
            oldest = &waits[i];
    return oldest ? oldest->tid : 0;
}
