// SPDX-License-Identifier: MIT
#include "watch/deadlock.h"

#include <stddef.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "graph/finding.h"
#include "graph/wait_graph.h"
#include "process/life.h"
#include "report/tell.h"
#include "watch/context.h"

enum { FINDINGS = 4 };
#define BETWEEN_TWO_LOOKS_NS ((uint64_t)250 * NS_PER_MS)
#define LONGEST_PAUSE_NS     ((uint64_t)60 * NS_PER_S)

static void *memory; /* the graph's, mapped when it is first needed */
static struct wait_graph graph;
static struct wait_finding found[FINDINGS];
static struct wait_finding before;
static bool have_before;
static uint64_t next_look; /* 0: no write is stuck */
static uint64_t pause;
static uint64_t told_fingerprint;

void deadlock_begin(void)
{
    have_before = false;
    next_look = 0;
    told_fingerprint = 0;
}

static bool have_memory(void)
{
    if (memory)
        return true;
    long made = raw_syscall(SYS_mmap, 0, WAIT_GRAPH_MEMORY, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made < 0 && made > -4096)
        return false;
    memory = (void *)made;
    return true;
}

/* Every member with a stuck write and this library finds the same circle: the lowest pid tells it.
 */
static bool is_ours_to_tell(const struct wait_finding *finding)
{
    int teller = 0;
    for (unsigned i = 0; i < finding->count; i++) {
        const struct chain_link *link = &finding->chain[i];
        uint32_t process = wait_graph_process(&graph, link->pid);
        if (link->reason == REASON_ROOM && process != NO_INDEX &&
            graph.processes[process].library && (teller == 0 || link->pid < teller))
            teller = link->pid;
    }
    return teller == atomic_load(&life->pid);
}

/* A circle is told by one of its members; where there is none, what is wrong with the reader of our
 * own stuck write is. */
static const struct wait_finding *find(void)
{
    const struct wait_finding *own = NULL;
    wait_graph_init(&graph, memory, WAIT_GRAPH_MEMORY, context_permitted_look());
    unsigned count = wait_graph_look_at(&graph, atomic_load(&life->pid), found, FINDINGS);
    for (unsigned i = 0; i < count; i++) {
        if (found[i].kind == FINDING_DEADLOCK)
            return is_ours_to_tell(&found[i]) ? &found[i] : NULL;
        if (!own && found[i].chain[0].pid == atomic_load(&life->pid) &&
            found[i].chain[0].reason == REASON_ROOM)
            own = &found[i];
    }
    return own;
}

static void look(void)
{
    const struct wait_finding *now = find();
    if (now && have_before && wait_finding_confirms(&before, now) &&
        now->fingerprint != told_fingerprint) {
        told_fingerprint = now->fingerprint;
        tell_finding(now);
    }
    have_before = now != NULL;
    if (now)
        before = *now;
}

uint64_t deadlock_look(uint64_t now, bool stuck)
{
    if (!stuck) {
        next_look = 0;
        have_before = false;
        return UINT64_MAX;
    }
    if (next_look == 0) {
        pause = BETWEEN_TWO_LOOKS_NS;
        next_look = now;
    }
    if (now < next_look || !have_memory())
        return next_look > now ? next_look : now + LONGEST_PAUSE_NS;
    bool first = !have_before;
    look();
    /* A suspicion is looked at again soon; without one the pauses grow. */
    uint64_t wait = have_before && first ? BETWEEN_TWO_LOOKS_NS : pause;
    pause = pause < LONGEST_PAUSE_NS / 2 ? pause * 2 : LONGEST_PAUSE_NS;
    next_look = clock_monotonic_ns() + wait;
    return next_look;
}
