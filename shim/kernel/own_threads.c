// SPDX-License-Identifier: MIT
#include "kernel/own_threads.h"

#include <string.h>

#include "base/raw_syscall.h"
#include "base/zeroed_memory.h"
#include "process/life.h"

/* A thread has the place that its number gives: they are given out in turn, so that those of one
 * process seldom meet. Who loses its place is read again. */
enum { PLACES = 2048 };

struct known {
    int tid; /* 0: free */
    bool has_call, has_facts, childless;
    uint64_t clock; /* of the thread when it was read; what follows is of that time */
    struct task_call call;
    struct thread_facts facts;
};
static struct known *known; /* PLACES of them, at the first one; child: kept, it is a mapping */
static bool used;
static bool trusted; /* child: scratch, each scan sets it */

void own_threads_begin(void)
{
    if (used)
        memset(known, 0, PLACES * sizeof *known);
    used = false;
}

/* NULL: nothing is known of any thread. */
static struct known *place_of(int tid)
{
    return known ? &known[(unsigned)tid % PLACES] : NULL;
}

static bool is_of(const struct known *place, int tid, uint64_t clock)
{
    return place && place->tid == tid && clock != 0 && place->clock == clock;
}

/* NULL: there is no memory to note it in. */
static struct known *begin(int tid, uint64_t clock)
{
    if (!known && !(known = zeroed_memory(PLACES * sizeof *known)))
        return NULL;
    struct known *place = place_of(tid);
    if (!is_of(place, tid, clock))
        *place = (struct known){.tid = tid, .clock = clock};
    used = true;
    return place;
}

struct task_call own_thread_call(int tid, bool *is_known)
{
    uint64_t clock = task_run_time_ns(tid);
    const struct known *place = place_of(tid);
    *is_known = is_of(place, tid, clock) && place->has_call;
    if (*is_known)
        return place->call;
    struct task_call call = task_read_call(tid);
    if (call.status == TASK_IN_CALL && clock != 0 && task_run_time_ns(tid) == clock) {
        struct known *noted = begin(tid, clock);
        if (noted) {
            noted->call = call;
            noted->has_call = true;
        }
    }
    return call;
}

void own_threads_trust(bool trust)
{
    trusted = trust;
}

uint64_t own_thread_clock(int pid, int tid)
{
    if (pid != atomic_load(&life->pid) ||
        (int)raw_syscall(SYS_gettid) != atomic_load(&life->watchdog_tid))
        return 0;
    return task_run_time_ns(tid);
}

/* NULL: nothing is known, or it has run. */
static const struct known *known_of(int pid, int tid)
{
    const struct known *place = place_of(tid);
    if (!place || place->tid != tid)
        return NULL;
    return is_of(place, tid, own_thread_clock(pid, tid)) ? place : NULL;
}

bool own_thread_facts(int pid, int tid, struct thread_facts *facts)
{
    const struct known *place = known_of(pid, tid);
    if (!place || !place->has_facts)
        return false;
    *facts = place->facts;
    return true;
}

bool own_thread_slept_in(int pid, int tid, struct thread_facts *facts, struct task_call *call)
{
    const struct known *place = trusted ? known_of(pid, tid) : NULL;
    if (!place || !place->has_facts || !place->has_call)
        return false;
    *facts = place->facts;
    *call = place->call;
    return true;
}

bool own_thread_is_childless(int pid, int tid)
{
    const struct known *place = known_of(pid, tid);
    return place && place->childless;
}

void own_thread_note_childless(int tid, uint64_t clock)
{
    struct known *noted = clock != 0 && task_run_time_ns(tid) == clock ? begin(tid, clock) : NULL;
    if (noted)
        noted->childless = true;
}

void own_thread_note(int tid, uint64_t clock, const struct thread_facts *facts)
{
    if (clock == 0 || task_run_time_ns(tid) != clock)
        return;
    struct known *noted = begin(tid, clock);
    if (!noted)
        return;
    noted->facts = *facts;
    noted->has_facts = true;
}

enum { FEW = 16 };

/* All threads but the watchdog, as long as there are so many and each is there. */
struct few {
    int tids[FEW];
    unsigned count; /* of all, also where they are more */
};
static struct few few; /* child: kept, its threads have other numbers */

static bool list(int tid, void *context)
{
    struct few *found = context;
    if (tid == (int)raw_syscall(SYS_gettid))
        return true;
    if (found->count < FEW)
        found->tids[found->count] = tid;
    return ++found->count <= FEW;
}

/* False: they are not those that were listed. */
static bool add_clocks(const struct few *threads, unsigned number, uint64_t *sum)
{
    *sum = 0;
    if (number != threads->count + 1)
        return false;
    for (unsigned i = 0; i < threads->count; i++) {
        uint64_t clock = task_run_time_ns(threads->tids[i]);
        if (clock == 0)
            return false;
        *sum += clock;
    }
    return true;
}

uint64_t own_threads_time_ns(uint64_t known_ns, uint64_t *error_ns)
{
    uint64_t sum;
    unsigned number = task_count();
    *error_ns = 0;
    if (number > FEW + 1 || number == 0)
        return task_others_time_ns(known_ns, error_ns);
    if (add_clocks(&few, number, &sum))
        return sum;
    few.count = 0;
    task_for_each(list, &few);
    return few.count <= FEW && add_clocks(&few, number, &sum)
               ? sum
               : task_others_time_ns(known_ns, error_ns);
}
