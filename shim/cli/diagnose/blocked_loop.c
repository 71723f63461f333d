// SPDX-License-Identifier: MIT
#include "cli/diagnose/blocked_loop.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/diagnose/loop_frame.h"
#include "cli/diagnose/members.h"
#include "explain/python/python_stack.h"
#include "graph/finding_links.h"
#include "graph/finding_words.h"
#include "kernel/fd_scan.h"
#include "kernel/status.h"
#include "kernel/thread_moment.h"

enum { PYTHON_DEPTH = 512 }; /* a web framework's middleware is deep; the loop is below it all */

/* The loop of a program that is at work may be in any of these for a moment; it rests in epoll. */
static bool is_blocking(enum wait_kind kind)
{
    switch (kind) {
    case WAIT_READ:
    case WAIT_WRITE:
    case WAIT_POLL:
    case WAIT_SELECT:
    case WAIT_CHILD:
    case WAIT_LOCK:
    case WAIT_FUTEX:
    case WAIT_SLEEP:
    case WAIT_ACCEPT:
    case WAIT_CONNECT:
    case WAIT_OPEN:
        return true;
    default:
        return false;
    }
}

static bool has_epoll(int pid)
{
    struct fd_iterator fds;
    bool found = false;
    if (fd_iterate(&fds, pid) < 0)
        return false;
    while (!found && fd_next(&fds))
        found = fds.description.kind == LINK_EPOLL;
    fd_iterate_end(&fds);
    return found;
}

static bool python_loop_has_called(int pid)
{
    static struct python_frame frames[PYTHON_DEPTH];
    struct memory_reader memory = memory_reader_process(pid);
    struct status_field inner = {.name = "NSpid", .base = 10};
    struct thread_moment before, after;
    struct python_runtime runtime;
    struct python_stack_facts facts;
    thread_moment_read(pid, pid, &before);
    if (before.status != MOMENT_ASLEEP || !python_runtime_find(&memory, pid, &runtime))
        return false;
    bool numbered = status_read(pid, pid, &inner, 1) && inner.value != 0;
    unsigned count = python_read_stack(&runtime, &memory, numbered ? (int)inner.value : pid, frames,
                                       PYTHON_DEPTH, &facts);
    thread_moment_read(pid, pid, &after);
    return thread_moment_same(&before, &after) && loop_has_called_python(frames, count);
}

static bool native_loop_has_called(int pid)
{
    static struct member member;
    diagnosis_read_thread(pid, pid, &member);
    bool called = loop_has_called_native(member.frames, member.frame_count);
    diagnosis_forget_thread(&member);
    return called;
}

static bool is_asked(const int *pids, unsigned pid_count, int pid)
{
    for (unsigned i = 0; pids && i < pid_count; i++)
        if (pids[i] == pid)
            return true;
    return pids == NULL;
}

static bool is_told(const struct wait_finding *findings, unsigned count, int pid)
{
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < findings[i].count; k++)
            if (findings[i].chain[k].pid == pid)
                return true;
    return false;
}

/* Its main thread, if that keeps its event loop from going on; NULL. */
static const struct wait_thread *thread_of_blocked_loop(const struct wait_graph *graph,
                                                        const struct wait_process *process)
{
    const struct wait_thread *main = NULL;
    for (uint32_t i = 0; i < process->thread_count; i++) {
        const struct wait_thread *thread = &graph->threads[process->first_thread + i];
        main = thread->tid == process->pid ? thread : main;
    }
    if (!main || !main->wait.switches_known || !is_blocking(main->wait.kind) ||
        !has_epoll(process->pid))
        return NULL;
    if (process_runtime(process->pid) == RUNTIME_PYTHON)
        return python_loop_has_called(process->pid) ? main : NULL;
    bool polls = main->wait.kind == WAIT_POLL || main->wait.kind == WAIT_SELECT;
    return !polls && native_loop_has_called(process->pid) ? main : NULL;
}

/* --- What is said of it ----------------------------------------------------------------------- */

/* The edge to the one process that it waits for; NULL: there are several, none is known, or it is
 * itself. */
static const struct wait_edge *the_edge(const struct wait_graph *graph,
                                        const struct wait_thread *thread)
{
    const struct wait_edge *first = &graph->edges[thread->first_edge];
    for (uint32_t i = 0; i < thread->edge_count; i++)
        if (first[i].process != first->process || first[i].process == thread->process)
            return NULL;
    return thread->edge_count > 0 ? first : NULL;
}

static void advise(const struct chain_link *link, struct text_buffer *text)
{
    text_string(text, "take this call off the event loop of ");
    finding_process_words(text, link->name, link->pid);
    bool python = link->runtime == RUNTIME_PYTHON;
    if (python && (link->reason == REASON_CHILD || link->wait == WAIT_CHILD))
        text_string(text, ": await asyncio.create_subprocess_exec(), or asyncio.to_thread()");
    else if (python && link->wait == WAIT_SLEEP)
        text_string(text, ": await asyncio.sleep()");
    else if (python)
        text_string(text, ": asyncio.to_thread(), an asynchronous client, or a timeout");
    else if (link->runtime == RUNTIME_NODE)
        text_string(text, ": the asynchronous form of the call, or a worker thread");
    else
        text_string(text, ": a thread, an asynchronous client, or a timeout");
}

static void describe(const struct wait_graph *graph, struct wait_finding *finding)
{
    const struct chain_link *link = &finding->chain[0];
    struct text_buffer text;
    text_init(&text, finding->words, sizeof finding->words);
    finding_process_words(&text, link->name, link->pid);
    text_string(&text, " is away from its event loop: it ");
    if (link->for_pid != 0) {
        finding_wait_words(&text, link);
    } else {
        text_string(&text, "waits in ");
        finding_call_words(graph, link, &text);
    }
    text_string(&text, "; nothing else that this loop serves goes on meanwhile");
    text_init(&text, finding->advice, sizeof finding->advice);
    advise(link, &text);
    text_init(&text, finding->rescue, sizeof finding->rescue);
    finding_rescue(finding, &text);
}

static void make_finding(const struct wait_graph *graph, const struct wait_thread *thread,
                         struct wait_finding *finding)
{
    const struct wait_edge *edge = the_edge(graph, thread);
    memset(finding, 0, sizeof *finding);
    finding->kind = FINDING_BLOCKED;
    finding->away_epoll = -1;
    finding->count = 1;
    finding->fingerprint = link_mix_thread(0, thread);
    if (edge) {
        link_make(graph, thread, edge, &finding->chain[0]);
        const struct wait_thread *other = link_holder_thread(graph, edge->process);
        if (other) {
            link_start(graph, other, &finding->chain[1]);
            link_name_object(graph, other->wait.fd, &finding->chain[1]);
            finding->count = 2;
        }
    } else {
        link_start(graph, thread, &finding->chain[0]);
        link_name_object(graph, thread->wait.fd, &finding->chain[0]);
    }
    describe(graph, finding);
}

/* --- Two looks -------------------------------------------------------------------------------- */

static bool stood_still(const struct wait_graph *graph, const struct wait_thread *thread)
{
    struct wait_thread now = *thread;
    int pid = graph->processes[thread->process].pid;
    return thread_wait_read(pid, thread->tid, &now.wait) && now.wait.switches_known &&
           link_mix_thread(0, &now) == link_mix_thread(0, thread);
}

static void pause_ms(unsigned milliseconds)
{
    struct timespec left = {milliseconds / 1000, milliseconds % 1000 * (long)NS_PER_MS};
    while (nanosleep(&left, &left) < 0)
        ;
}

unsigned blocked_loops_find(const struct wait_graph *graph, const int *pids, unsigned pid_count,
                            struct wait_finding *findings, unsigned count, unsigned limit,
                            unsigned apart_ms)
{
    enum { LOOPS = 64 };
    const struct wait_thread *seen[LOOPS];
    unsigned seen_count = 0;
    for (uint32_t i = 0; i < graph->process_count && seen_count < LOOPS; i++) {
        const struct wait_process *process = &graph->processes[i];
        if (!process->loaded || !process->readable || !is_asked(pids, pid_count, process->pid) ||
            is_told(findings, count, process->pid))
            continue;
        seen[seen_count] = thread_of_blocked_loop(graph, process);
        seen_count += seen[seen_count] != NULL;
    }
    if (seen_count > 0)
        pause_ms(apart_ms);
    for (unsigned i = 0; i < seen_count && count < limit; i++)
        if (stood_still(graph, seen[i]))
            make_finding(graph, seen[i], &findings[count++]);
    return count;
}
