// SPDX-License-Identifier: MIT
#include "graph/finding_links.h"

#include <string.h>
#include <sys/auxv.h>

#include "base/text_buffer.h"
#include "kernel/borrowed_fd.h"
#include "kernel/object_reader.h"
#include "kernel/proc_text.h"
#include "kernel/socket_peers.h"

/* FNV-1a: equal fingerprints need not resist an enemy. */
uint64_t link_mix(uint64_t hash, uint64_t value)
{
    for (int byte = 0; byte < 8; byte++)
        hash = (hash ^ (value >> (byte * 8) & 0xff)) * 1099511628211ULL;
    return hash;
}

uint64_t link_mix_thread(uint64_t hash, const struct wait_thread *thread)
{
    hash = link_mix(hash, (uint64_t)thread->tid);
    hash = link_mix(hash, (uint64_t)thread->wait.kind);
    hash = link_mix(hash, (uint64_t)thread->wait.number);
    for (unsigned i = 0; i < 3; i++)
        hash = link_mix(hash, thread->wait.arguments[i]);
    return link_mix(hash, thread->wait.switches);
}

static void name_process(int pid, struct text_buffer *text)
{
    text_format(text, "process %d", pid);
}

/* How full the pipe or socket is whose descriptor `fd` a process writes to. */
static void read_fill(const struct wait_graph *graph, int pid, int fd, const char *name,
                      struct chain_link *link)
{
    struct pipe_fill fill;
    struct unix_socket own, peer;
    uint64_t inode;
    if (parse_link(name, &inode) == LINK_SOCKET) {
        if (!(graph->access & ACCESS_SOCKET) || unix_socket_read(inode, &own) < 0)
            return;
        link->full = unix_socket_full(&own);
        if (link->full < 0) /* it sleeps in the write, so it has not been woken yet */
            link->full = 1;
        if (own.peer != 0 && unix_socket_read(own.peer, &peer) == 0)
            link->used = peer.unread;
    } else if ((graph->access & ACCESS_BORROW) && borrowed_pipe_fill(pid, fd, true, &fill) == 0) {
        link->used = fill.used;
        link->capacity = fill.capacity;
        link->full = fill.full;
        if (fill.full == 1 && fill.capacity > 0)
            link->slots = fill.capacity / (int64_t)getauxval(AT_PAGESZ);
    }
}

void link_start(const struct wait_graph *graph, const struct wait_thread *thread,
                struct chain_link *link)
{
    const struct wait_process *process = &graph->processes[thread->process];
    struct text_buffer text;
    memset(link, 0, sizeof *link);
    link->pid = process->pid;
    link->tid = thread->tid;
    link->wait = thread->wait.kind;
    link->own_fd = link->peer_fd = -1;
    link->used = link->capacity = link->slots = link->full = UNKNOWN_NUMBER;
    memcpy(link->comm, process->comm, sizeof link->comm);
    process_name(link->pid, link->comm, link->name);
    link->runtime = process_runtime(link->pid);
    for (uint32_t i = 0; i < process->thread_count; i++)
        link->loop |= graph->threads[process->first_thread + i].tid == process->pid &&
                      graph->threads[process->first_thread + i].wait.kind == WAIT_EPOLL;
    text_init(&text, link->waits_in, sizeof link->waits_in);
    thread_wait_words(&thread->wait, &text);
}

void link_name_object(const struct wait_graph *graph, int fd, struct chain_link *link)
{
    struct fd_description description;
    if (fd < 0 || fd_describe(link->pid, fd, &description) < 0)
        return;
    link->own_fd = fd;
    memcpy(link->object, description.link, sizeof link->object);
    link->key = description.key;
    if ((link->wait == WAIT_WRITE || link->reason == REASON_SPACE) && fd_is_channel(&description))
        read_fill(graph, link->pid, fd, link->object, link);
}

/* For whom a link waits. */
void link_set_for(const struct wait_graph *graph, const struct wait_edge *edge,
                  struct chain_link *link)
{
    const struct wait_process *process = &graph->processes[edge->process];
    link->for_pid = process->pid;
    link->peer_fd = edge->peer_fd;
    process_name(process->pid, process->comm, link->for_name);
}

void link_make(const struct wait_graph *graph, const struct wait_thread *thread,
               const struct wait_edge *edge, struct chain_link *link)
{
    struct text_buffer text;
    link_start(graph, thread, link);
    link->reason = edge->reason;
    link->for_close = edge->for_close;
    link_set_for(graph, edge, link);
    if (edge->reason == REASON_CHILD || edge->reason == REASON_SIGNAL) {
        text_init(&text, link->object, sizeof link->object);
        name_process(link->for_pid, &text);
    } else if (thread->candidates <= 1) { /* else nobody can say which of them it is */
        link_name_object(graph, edge->own_fd, link);
        if (thread->wait.kind == WAIT_POLL && thread->wait.arguments[1] == 1) {
            text_init(&text, link->waits_in, sizeof link->waits_in); /* "poll 1 fd" says less */
            text_format(&text, "poll fd %d", edge->own_fd);
        }
    }
}

/* Which thread of a process tells best why it does not read. */
static int holder_rank(const struct wait_thread *thread, int pid)
{
    int rank = 0;
    switch (thread->wait.kind) {
    case WAIT_WRITE:
    case WAIT_CHILD:
    case WAIT_LOCK:
    case WAIT_STOPPED:
        rank = 40;
        break;
    case WAIT_READ:
    case WAIT_CONNECT:
    case WAIT_OPEN:
        rank = 30;
        break;
    case WAIT_FUTEX:
        rank = 5;
        break;
    case WAIT_UNKNOWN:
        break;
    default:
        rank = 20;
    }
    /* asyncio waits for its children in threads of their own: its loop is what should read. */
    return rank + (thread->tid == pid ? 25 : 0);
}

const struct wait_thread *link_holder_thread(const struct wait_graph *graph, uint32_t process)
{
    const struct wait_process *holder = &graph->processes[process];
    const struct wait_thread *best = NULL;
    for (uint32_t i = 0; i < holder->thread_count; i++) {
        const struct wait_thread *thread = &graph->threads[holder->first_thread + i];
        if (!best || holder_rank(thread, holder->pid) > holder_rank(best, holder->pid))
            best = thread;
    }
    return best;
}
