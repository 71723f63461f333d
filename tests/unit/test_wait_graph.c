// SPDX-License-Identifier: MIT
/* The reduction and the search for cycles, on graphs that are made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "graph/finding.h"
#include "graph/wait_graph.h"

enum { LIMIT = 600 };

static struct wait_graph graph;
static struct wait_process processes[LIMIT];
static struct wait_thread threads[LIMIT * 2];
static struct wait_edge edges[LIMIT * 4];

static void start(unsigned count)
{
    memset(&graph, 0, sizeof graph);
    memset(processes, 0, sizeof processes);
    memset(threads, 0, sizeof threads);
    graph.processes = processes;
    graph.threads = threads;
    graph.edges = edges;
    graph.process_count = count;
    for (unsigned i = 0; i < count; i++) {
        processes[i].pid = 100 + (int)i;
        processes[i].loaded = true;
    }
}

/* Threads must be added process by process. */
static struct wait_thread *add_thread(uint32_t process)
{
    struct wait_thread *thread = &threads[graph.thread_count];
    if (processes[process].thread_count++ == 0)
        processes[process].first_thread = graph.thread_count;
    thread->process = process;
    thread->tid = 1000 + (int)graph.thread_count++;
    thread->first_edge = graph.edge_count;
    return thread;
}

static void add_wait(struct wait_thread *thread, uint32_t process, enum wait_reason reason)
{
    edges[graph.edge_count++] = (struct wait_edge){process, reason, 1, 0, {7, 0}, false};
    thread->edge_count++;
}

static void blocked(uint32_t process, uint32_t on, enum wait_reason reason)
{
    add_wait(add_thread(process), on, reason);
}

static unsigned cycle(uint32_t process)
{
    static struct wait_step steps[CHAIN_LIMIT];
    wait_graph_reduce(&graph, ACT_ALL);
    unsigned count = wait_graph_cycle(&graph, process, steps, CHAIN_LIMIT);
    for (unsigned i = 0; i < count; i++) { /* it is a cycle, and starts where it was asked to */
        assert_int_equal(threads[steps[i].thread].process, steps[i].process);
        assert_int_equal(edges[steps[i].edge].process, steps[(i + 1) % count].process);
    }
    if (count > 0)
        assert_int_equal(steps[0].process, process);
    return count;
}

static void two_that_wait_for_each_other(void **state)
{
    (void)state;
    start(2);
    blocked(0, 1, REASON_SPACE);
    blocked(1, 0, REASON_CHILD);
    assert_int_equal(cycle(0), 2);
    assert_int_equal(cycle(1), 2);
}

static void a_thread_that_can_act_breaks_it(void **state)
{
    (void)state;
    start(2);
    blocked(0, 1, REASON_SPACE);
    blocked(1, 0, REASON_CHILD);
    add_thread(1)->free = true;
    assert_int_equal(cycle(0), 0);
    assert_true(processes[0].can_act); /* for who waits for it can be served */
}

static void a_thread_behind_a_lock_does_not(void **state)
{
    (void)state;
    start(2);
    blocked(0, 1, REASON_SPACE);
    blocked(1, 0, REASON_CHILD);
    blocked(1, 1, REASON_FUTEX);
    assert_int_equal(cycle(0), 2);
}

static void a_lock_whose_owner_runs_does(void **state)
{
    (void)state;
    start(2);
    blocked(0, 1, REASON_SPACE);
    blocked(1, 0, REASON_CHILD);
    blocked(1, 1, REASON_FUTEX);
    add_thread(1)->free = true;
    assert_int_equal(cycle(0), 0);
}

static void one_of_many_readers_is_enough(void **state)
{
    (void)state;
    start(4);
    struct wait_thread *writer = add_thread(0);
    for (uint32_t reader = 1; reader < 4; reader++)
        add_wait(writer, reader, REASON_SPACE);
    blocked(1, 0, REASON_CHILD);
    blocked(2, 0, REASON_CHILD);
    add_thread(3)->free = true;
    assert_int_equal(cycle(0), 0);
    threads[graph.thread_count - 1].free = false; /* all of them stuck: an OR with no way out */
    assert_int_equal(cycle(0), 2);
}

static void unknown_processes_can_act(void **state)
{
    (void)state;
    start(2);
    blocked(0, 1, REASON_SPACE);
    blocked(1, 0, REASON_CHILD);
    processes[1].opaque = true;
    assert_int_equal(cycle(0), 0);
    processes[1].opaque = false;
    processes[1].loaded = false;
    assert_int_equal(cycle(0), 0);
}

static void a_chain_without_a_cycle(void **state)
{
    (void)state;
    start(3);
    blocked(0, 1, REASON_SPACE);
    blocked(1, 2, REASON_SPACE);
    add_thread(2); /* stopped: it waits for nobody in the graph */
    assert_int_equal(cycle(0), 0);
    assert_false(processes[0].can_act);
}

static void who_waits_for_a_cycle_is_no_member(void **state)
{
    (void)state;
    start(3);
    blocked(0, 1, REASON_CHILD);
    blocked(1, 2, REASON_SPACE);
    blocked(2, 1, REASON_CHILD);
    assert_int_equal(cycle(0), 0);
    assert_int_equal(cycle(1), 2);
}

static void the_shortest_cycle_is_reported(void **state)
{
    (void)state;
    start(5);
    struct wait_thread *first = add_thread(0);
    add_wait(first, 1, REASON_SPACE);
    add_wait(first, 4, REASON_SPACE);
    blocked(1, 2, REASON_SPACE);
    blocked(2, 3, REASON_SPACE);
    blocked(3, 0, REASON_SPACE);
    blocked(4, 0, REASON_CHILD);
    assert_int_equal(cycle(0), 2);
}

static void a_ring_of_many(void **state)
{
    (void)state;
    start(LIMIT);
    for (uint32_t i = 0; i < LIMIT; i++)
        blocked(i, (i + 1) % LIMIT, REASON_SPACE);
    assert_int_equal(cycle(0), 0); /* longer than can be reported */
    start(CHAIN_LIMIT);
    graph.edge_count = 0;
    for (uint32_t i = 0; i < CHAIN_LIMIT; i++)
        blocked(i, (i + 1) % CHAIN_LIMIT, REASON_SPACE);
    assert_int_equal(cycle(3), CHAIN_LIMIT);
}

static void with_itself(void **state)
{
    (void)state;
    start(1);
    blocked(0, 0, REASON_SPACE);
    assert_int_equal(cycle(0), 1);
    start(1);
    blocked(0, 0, REASON_INPUT); /* a pipe into which signal handlers write */
    assert_int_equal(cycle(0), 0);
}

static void a_timeout_opens_it(void **state)
{
    (void)state;
    struct wait_step steps[CHAIN_LIMIT];
    start(2);
    blocked(0, 1, REASON_SPACE);
    blocked(1, 0, REASON_CHILD);
    threads[1].timed = true;
    assert_int_equal(cycle(0), 0);
    wait_graph_reduce(&graph, ACT_ALL & ~ACT_TIMED);
    assert_int_equal(wait_graph_cycle(&graph, 0, steps, CHAIN_LIMIT), 2);
}

/* whisper-server: stuck in its log, while the thread that accepts is idle and one waits for work.
 */
static void who_only_accepts_answers_nobody(void **state)
{
    (void)state;
    struct wait_step steps[CHAIN_LIMIT];
    start(2);
    blocked(0, 1, REASON_SPACE);
    blocked(0, 0, REASON_FUTEX);
    struct wait_thread *accepts = add_thread(0);
    accepts->free = accepts->listener = true;
    blocked(1, 0, REASON_INPUT);
    assert_int_equal(cycle(0), 0);
    wait_graph_reduce(&graph, ACT_ALL & ~ACT_LISTENERS);
    assert_int_equal(wait_graph_cycle(&graph, 0, steps, CHAIN_LIMIT), 2);
    /* An idle server, in which nobody is stuck, can serve. */
    start(2);
    accepts = add_thread(0);
    accepts->free = accepts->listener = true;
    blocked(1, 0, REASON_INPUT);
    wait_graph_reduce(&graph, 0);
    assert_int_equal(wait_graph_cycle(&graph, 1, steps, CHAIN_LIMIT), 0);
}

static void what_comes_round_to_a_full_pipe_waits(void **state)
{
    (void)state;
    struct wait_step steps[CHAIN_LIMIT];
    start(2);
    blocked(0, 1, REASON_SPACE);
    threads[0].recurs = true;
    blocked(1, 0, REASON_CHILD);
    assert_int_equal(cycle(0), 0);
    wait_graph_reduce(&graph, ACT_ALL & ~ACT_RECURRING);
    assert_int_equal(wait_graph_cycle(&graph, 0, steps, CHAIN_LIMIT), 2);
}

static void a_definite_wait_is_reported_before_a_signal(void **state)
{
    (void)state;
    struct wait_step steps[CHAIN_LIMIT];
    start(2);
    blocked(0, 1, REASON_SPACE);
    blocked(1, 0, REASON_SIGNAL);
    blocked(1, 0, REASON_CHILD);
    wait_graph_reduce(&graph, ACT_ALL);
    assert_int_equal(wait_graph_cycle(&graph, 1, steps, CHAIN_LIMIT), 2);
    assert_int_equal(edges[steps[0].edge].reason, REASON_CHILD);
}

/* A starter waits for the first of a ring; that its neighbours are stuck too is no concern of his.
 */
static void who_is_waited_for(void **state)
{
    (void)state;
    start(6);
    blocked(0, 1, REASON_CHILD);
    blocked(1, 2, REASON_SPACE);
    blocked(2, 1, REASON_INPUT);
    blocked(3, 4, REASON_SPACE);
    blocked(4, 3, REASON_SPACE);
    assert_true(wait_graph_waits_for(&graph, 0, 1));
    assert_true(wait_graph_waits_for(&graph, 0, 2));
    assert_true(wait_graph_waits_for(&graph, 1, 1));
    assert_false(wait_graph_waits_for(&graph, 0, 3));
    assert_false(wait_graph_waits_for(&graph, 0, 0));
    assert_false(wait_graph_waits_for(&graph, 5, 0));
}

/* asyncio watches a child's stdin for its close, and waits for something else. */
static void that_an_end_is_closed_is_reported_last(void **state)
{
    (void)state;
    static const enum wait_reason others[] = {REASON_INPUT, REASON_CHILD, REASON_SIGNAL};
    struct wait_step steps[CHAIN_LIMIT];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        start(2);
        blocked(0, 1, REASON_SPACE);
        blocked(1, 0, REASON_INPUT);
        edges[graph.edge_count - 1].for_close = true;
        wait_graph_reduce(&graph, ACT_ALL);
        assert_int_equal(wait_graph_cycle(&graph, 1, steps, CHAIN_LIMIT), 2);
        blocked(1, 0, others[i]);
        wait_graph_reduce(&graph, ACT_ALL);
        assert_int_equal(wait_graph_cycle(&graph, 1, steps, CHAIN_LIMIT), 2);
        assert_int_equal(edges[steps[0].edge].reason, others[i]);
        assert_false(edges[steps[0].edge].for_close);
    }
}

static void confirmation(void **state)
{
    (void)state;
    static struct wait_finding before, now;
    before.kind = now.kind = FINDING_DEADLOCK;
    before.fingerprint = now.fingerprint = 5;
    assert_true(wait_finding_confirms(&before, &now));
    now.fingerprint = 6; /* something has moved */
    assert_false(wait_finding_confirms(&before, &now));
    now.fingerprint = 5;
    now.kind = FINDING_READER_AWAY;
    assert_false(wait_finding_confirms(&before, &now));

    before.kind = FINDING_READER_AWAY;
    assert_true(wait_finding_confirms(&before, &now));
    now.holder_sleeps = true; /* a reader that only sleeps may be slow: */
    now.holder_sleep_ms = 500;
    assert_false(wait_finding_confirms(&before, &now));
    now.holder_sleep_ms = 10000; /* unless it sleeps long, */
    assert_true(wait_finding_confirms(&before, &now));
    now.holder_sleep_ms = 500;
    now.holder_switches = 10; /* or has woken and not read */
    assert_true(wait_finding_confirms(&before, &now));

    now.holder_sleeps = false;
    now.holder_writes = true; /* a filter that has only now come to its own write, */
    assert_false(wait_finding_confirms(&before, &now));
    before.holder_writes = true;
    assert_true(wait_finding_confirms(&before, &now));
    now.holder_wakes = 1; /* or that gets on with it */
    assert_false(wait_finding_confirms(&before, &now));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_that_wait_for_each_other),
        cmocka_unit_test(a_thread_that_can_act_breaks_it),
        cmocka_unit_test(a_thread_behind_a_lock_does_not),
        cmocka_unit_test(a_lock_whose_owner_runs_does),
        cmocka_unit_test(one_of_many_readers_is_enough),
        cmocka_unit_test(unknown_processes_can_act),
        cmocka_unit_test(a_chain_without_a_cycle),
        cmocka_unit_test(who_waits_for_a_cycle_is_no_member),
        cmocka_unit_test(the_shortest_cycle_is_reported),
        cmocka_unit_test(a_ring_of_many),
        cmocka_unit_test(who_is_waited_for),
        cmocka_unit_test(with_itself),
        cmocka_unit_test(a_timeout_opens_it),
        cmocka_unit_test(who_only_accepts_answers_nobody),
        cmocka_unit_test(what_comes_round_to_a_full_pipe_waits),
        cmocka_unit_test(a_definite_wait_is_reported_before_a_signal),
        cmocka_unit_test(that_an_end_is_closed_is_reported_last),
        cmocka_unit_test(confirmation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
