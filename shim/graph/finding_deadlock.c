// SPDX-License-Identifier: MIT
/* Closed chains: nobody in them can go on. */
#include <string.h>

#include "base/clock.h"
#include "graph/finding_links.h"

static bool comes_round(const struct wait_graph *graph, const struct wait_process *process)
{
    for (uint32_t i = 0; i < process->thread_count; i++) {
        const struct wait_thread *thread = &graph->threads[process->first_thread + i];
        if (thread->recurs || thread->listener)
            return true;
    }
    return false;
}

/* All threads of a process: none of them may have woken between two scans. Where threads wake by
 * their nature (`likely`), what has to stand still is what they wait for. */
static uint64_t mix_process(const struct wait_graph *graph, uint64_t hash, uint32_t index,
                            bool likely)
{
    const struct wait_process *process = &graph->processes[index];
    hash = link_mix(hash, (uint64_t)process->pid);
    if (likely && comes_round(graph, process))
        return hash;
    for (uint32_t i = 0; i < process->thread_count; i++)
        hash = link_mix_thread(hash, &graph->threads[process->first_thread + i]);
    return hash;
}

/* Starts a cycle at a full pipe when it has one: what a reader wants to see first. */
static unsigned first_step(const struct wait_graph *graph, const struct wait_step *steps,
                           unsigned count)
{
    unsigned best = 0;
    for (unsigned i = 1; i < count; i++) {
        bool writes = graph->edges[steps[i].edge].reason == REASON_SPACE;
        bool best_writes = graph->edges[steps[best].edge].reason == REASON_SPACE;
        if (writes != best_writes ? writes : steps[i].process < steps[best].process)
            best = i;
    }
    return best;
}

/* Who, and on what: the same for each member that scans, and for a scan an hour later. */
static uint64_t identify(const struct wait_finding *finding)
{
    uint64_t id = 14695981039346656037ULL;
    for (unsigned i = 0; i < finding->count; i++) {
        const struct chain_link *link = &finding->chain[i];
        id = link_mix(link_mix(link_mix(id, (uint64_t)link->tid), link->key.inode),
                      (uint64_t)link->reason);
    }
    return id;
}

/* Between two looks a loop that only comes round takes a few milliseconds a second. */
static void note_work(const struct wait_graph *graph, const struct wait_process *process,
                      struct wait_finding *finding)
{
    bool recurs = false;
    for (uint32_t i = 0; i < process->thread_count; i++)
        recurs |= graph->threads[process->first_thread + i].recurs;
    for (uint32_t i = 0; recurs && i < process->thread_count; i++) {
        uint64_t run_time = 0, delay = 0;
        thread_cpu_time_ns(process->pid, graph->threads[process->first_thread + i].tid, &run_time,
                           &delay);
        finding->worked_ns += run_time;
        finding->starved_ns += delay;
    }
    if (recurs)
        finding->looked_ns = clock_monotonic_ns();
}

bool finding_is_at_work(const struct wait_finding *before, const struct wait_finding *now)
{
    enum { WORKS = 20, STARVES = 2 }; /* for more than that part of the time */
    if (before->looked_ns == 0 || now->looked_ns <= before->looked_ns)
        return false;
    uint64_t time = now->looked_ns - before->looked_ns;
    uint64_t worked = now->worked_ns - before->worked_ns; /* a thread that ended makes it huge */
    uint64_t starved = now->starved_ns - before->starved_ns;
    return worked > time / WORKS || starved > time / STARVES;
}

/* The timeout of a member's wait, not of its other threads: Go's and Java's runtimes and libuv's
 * pool have timers that end none of these waits. But asyncio waits for its children in threads of
 * its own, for its main thread, whose timeout it is. */
static int64_t limit_of_wait(const struct wait_graph *graph, const struct wait_step *step,
                             const struct chain_link *link)
{
    const struct wait_process *process = &graph->processes[step->process];
    const struct wait_thread *waiter = &graph->threads[step->thread];
    bool for_main = link->runtime == RUNTIME_PYTHON && link->reason == REASON_CHILD;
    int64_t limit_ms = waiter->timed ? waiter->limit_ms : INT64_MAX;
    for (uint32_t i = 0; for_main && i < process->thread_count; i++) {
        const struct wait_thread *thread = &graph->threads[process->first_thread + i];
        if (thread->tid == process->pid && thread->timed && thread->limit_ms < limit_ms)
            limit_ms = thread->limit_ms;
    }
    return limit_ms;
}

static void make_deadlock(struct wait_graph *graph, const struct wait_step *steps, unsigned count,
                          unsigned acting, struct wait_finding *finding)
{
    unsigned first = first_step(graph, steps, count);
    memset(finding, 0, sizeof *finding);
    finding->kind = FINDING_DEADLOCK;
    finding->likely = !(acting & ACT_LISTENERS);
    finding->limit_ms = INT64_MAX;
    finding->away_epoll = -1;
    finding->count = count;
    for (unsigned i = 0; i < count; i++) {
        const struct wait_step *step = &steps[(first + i) % count];
        struct wait_process *process = &graph->processes[step->process];
        link_make(graph, &graph->threads[step->thread], &graph->edges[step->edge],
                  &finding->chain[i]);
        process->reported = graph->threads[step->thread].reported = true;
        finding->fingerprint =
            mix_process(graph, finding->fingerprint, step->process, finding->likely);
        if (finding->likely)
            note_work(graph, process, finding);
        finding->fingerprint = link_mix(finding->fingerprint, (uint64_t)finding->chain[i].used);
        int64_t limit_ms = limit_of_wait(graph, step, &finding->chain[i]);
        finding->limit_ms = limit_ms < finding->limit_ms ? limit_ms : finding->limit_ms;
    }
    finding->timed = finding->limit_ms != INT64_MAX;
    finding->id = identify(finding);
    finding_describe(graph, finding);
}

/* A cycle that a timeout opens is worth a word when somebody is stuck in it: each waiting for the
 * other to speak, with a timer running, is how an idle client and its server look. */
static bool is_worth_words(const struct wait_graph *graph, const struct wait_step *steps,
                           unsigned count, unsigned acting)
{
    if (acting & ACT_TIMED)
        return true;
    for (unsigned i = 0; i < count; i++) {
        enum wait_reason reason = graph->edges[steps[i].edge].reason;
        if (reason == REASON_SPACE || reason == REASON_LOCK)
            return true;
    }
    return false;
}

/* One thread waits for the end of a child whose write only its own process could let go on. */
static bool waits_for_stuck_child(const struct wait_graph *graph, const struct wait_step *steps,
                                  unsigned count)
{
    enum wait_reason first = graph->edges[steps[0].edge].reason;
    enum wait_reason last = graph->edges[steps[count - 1].edge].reason;
    return count == 2 && ((first == REASON_SPACE && last == REASON_CHILD) ||
                          (first == REASON_CHILD && last == REASON_SPACE));
}

/* Who waits for a member of a cycle that has been found may do so only because of that cycle. Two
 * threads that wait for a stuck child each are two deadlocks. */
static bool is_consequence(const struct wait_graph *graph, const struct wait_step *steps,
                           unsigned count)
{
    bool of_a_member = false;
    for (unsigned i = 0; i < count; i++) {
        if (graph->threads[steps[i].thread].reported)
            return true;
        of_a_member |= graph->processes[steps[i].process].reported;
    }
    return of_a_member && !waits_for_stuck_child(graph, steps, count);
}

unsigned finding_deadlocks(struct wait_graph *graph, unsigned acting, struct wait_finding *findings,
                           unsigned count, unsigned limit)
{
    struct wait_step steps[CHAIN_LIMIT];
    wait_graph_reduce(graph, acting);
    for (uint32_t i = 0; i < graph->process_count && count < limit; i++) {
        if (graph->processes[i].reported || !graph->processes[i].loaded)
            continue;
        unsigned length = wait_graph_cycle(graph, i, steps, CHAIN_LIMIT);
        if (length > 0 && is_worth_words(graph, steps, length, acting) &&
            !is_consequence(graph, steps, length))
            make_deadlock(graph, steps, length, acting, &findings[count++]);
    }
    return count;
}
