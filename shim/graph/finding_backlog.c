// SPDX-License-Identifier: MIT
/*
 * Programs that never block, because their runtime keeps in memory what the full pipe does not
 * take: Node's process.stdout on a pipe, asyncio's writer without drain(). Their event loop waits,
 * beside all else, for room in a pipe that nobody reads, and goes on.
 */
#include <string.h>
#include <sys/auxv.h>

#include "base/clock.h"
#include "base/text_buffer.h"
#include "graph/finding_links.h"
#include "kernel/borrowed_fd.h"
#include "kernel/object_reader.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"
#include "kernel/status.h"

enum {
    GROWTH_BYTES_PER_S = 100 * 1024, /* more than what timers and the like leave behind */
    /* Without the kernel's word that the reader has read nothing: not listening for so long. */
    AWAY_FOR_MS = 3000,
};

/* Looks through what a thread waits for, for a full pipe. */
struct search {
    const struct wait_graph *graph;
    int pid;
    int fd; /* -1: none yet */
    struct wait_holder end;
};

static bool is_readiness_wait(enum wait_kind kind)
{
    return kind == WAIT_EPOLL || kind == WAIT_POLL || kind == WAIT_SELECT;
}

static bool is_full_pipe(void *context, int fd, unsigned waits_for)
{
    struct search *search = context;
    struct fd_description description;
    struct pipe_fill fill;
    int64_t unread;
    if (!(waits_for & WAIT_FOR_SPACE) || fd_describe(search->pid, fd, &description) < 0 ||
        description.kind == LINK_SOCKET || !fd_is_channel(&description) ||
        borrowed_pipe_fill(search->pid, fd, true, &fill) < 0 || fill.full != 1 ||
        !wait_graph_other_end(search->graph, search->pid, &description, WAIT_FOR_SPACE,
                              &search->end, &unread))
        return true;
    search->fd = fd;
    return false;
}

/* The event loop of a busy program is seldom seen in its wait: it computes, or its first thread
 * waits for those that collect its garbage (Node). Its sets are there all the time. */
static bool wants_space_at_work(const struct wait_thread *thread, struct search *search)
{
    struct fd_iterator all;
    enum wait_kind kind = thread->wait.kind;
    if (thread->tid != search->pid ||
        (kind != WAIT_NONE && kind != WAIT_FUTEX && kind != WAIT_UNKNOWN) ||
        fd_iterate(&all, search->pid) < 0)
        return false;
    while (search->fd < 0 && fd_next(&all))
        if (all.description.kind == LINK_EPOLL)
            epoll_set_each(search->pid, all.description.fd, is_full_pipe, search);
    fd_iterate_end(&all);
    return search->fd >= 0;
}

static bool wants_space(const struct wait_graph *graph, const struct wait_thread *thread,
                        struct search *search)
{
    enum wait_kind kind = thread->wait.kind;
    *search = (struct search){graph, graph->processes[thread->process].pid, -1, {{0, 0}, 0, 0, 0}};
    if (graph->few_looks && (graph->access & ACCESS_BORROW) && wants_space_at_work(thread, search))
        return true;
    if (!is_readiness_wait(kind) || !(thread->free || thread->recurs) ||
        !(graph->access & ACCESS_BORROW))
        return false;
    wait_set_each(search->pid, &thread->wait, (graph->access & ACCESS_MEMORY) != 0, is_full_pipe,
                  search);
    return search->fd >= 0;
}

static bool is_the_pipe(void *context, int fd, unsigned waits_for)
{
    struct search *search = context;
    struct fd_description description;
    if (!(waits_for & WAIT_FOR_SPACE) || fd_describe(search->pid, fd, &description) < 0 ||
        !object_key_equal(description.key, search->end.key))
        return true;
    search->fd = fd;
    return false;
}

bool wait_graph_wants_space(const struct wait_graph *graph, const struct wait_thread *thread,
                            struct object_key key)
{
    enum wait_kind kind = thread->wait.kind;
    struct search search = {graph, graph->processes[thread->process].pid, -1, {key, 0, 0, 0}};
    if (is_readiness_wait(kind))
        wait_set_each(search.pid, &thread->wait, (graph->access & ACCESS_MEMORY) != 0, is_the_pipe,
                      &search);
    return search.fd >= 0;
}

static bool waits_for_reader(const struct wait_graph *graph, const struct wait_thread *thread,
                             uint32_t reader)
{
    for (uint32_t e = 0; thread->process != reader && e < thread->edge_count; e++) {
        const struct wait_edge *edge = &graph->edges[thread->first_edge + e];
        if (edge->process == reader && edge->reason == REASON_SPACE)
            return true;
    }
    return false;
}

/* Its event loop waits for room as a stuck write does, whatever the reader does meanwhile: Node
 * whose parent polls for its end by short sleeps (Popen.wait(timeout)). */
static bool waits_for_room(const struct wait_graph *graph, const struct wait_thread *thread,
                           uint32_t own)
{
    for (uint32_t e = 0; thread->process == own && e < thread->edge_count; e++) {
        if (graph->edges[thread->first_edge + e].reason == REASON_SPACE)
            return true;
    }
    return false;
}

bool wait_graph_space_is_wanted(struct wait_graph *graph, int pid)
{
    uint32_t own = wait_graph_process(graph, pid);
    struct search search;
    wait_graph_load_neighbours(graph, pid);
    for (uint32_t i = 0; own != NO_INDEX && i < graph->thread_count; i++) {
        if (waits_for_reader(graph, &graph->threads[i], own) ||
            waits_for_room(graph, &graph->threads[i], own) ||
            wants_space(graph, &graph->threads[i], &search))
            return true;
    }
    return false;
}

static int64_t resident_bytes(int pid)
{
    char text[128];
    uint64_t size, pages;
    if (proc_read_of(pid, 0, "statm", text, sizeof text) <= 0 || !parse_statm(text, &size, &pages))
        return UNKNOWN_NUMBER;
    return (int64_t)(pages * getauxval(AT_PAGESZ));
}

/* How often the threads of a process have read, whatever it was; UNKNOWN_NUMBER where that may not
 * be asked. Without the watchdog of this library, which reads much. */
static int64_t reads_of(const struct wait_graph *graph, uint32_t process)
{
    const struct wait_process *reader = &graph->processes[process];
    int64_t sum = 0;
    for (uint32_t i = 0; i < reader->thread_count; i++) {
        char path[PROC_PATH_LIMIT];
        struct status_field reads = {.name = "syscr", .base = 10};
        proc_path(path, reader->pid, graph->threads[reader->first_thread + i].tid, "io");
        if (!fields_read(path, &reads, 1))
            return UNKNOWN_NUMBER;
        sum += (int64_t)reads.value;
    }
    return sum;
}

/* True if nobody who holds the other end listens; `*reader`: one of them. */
static bool nobody_listens(struct wait_graph *graph, const struct search *search,
                           const struct wait_holder **reader)
{
    uint32_t count, first = wait_graph_holders(graph, search->end.key, &count);
    *reader = NULL;
    for (uint32_t i = first; i < first + count; i++) {
        const struct wait_holder *holder = &graph->holders[i];
        int away_epoll;
        if (!(holder->access & search->end.access))
            continue;
        wait_graph_load(graph, graph->processes[holder->process].pid);
        if (graph->processes[holder->process].opaque ||
            wait_graph_listens(graph, holder->process, search->end.key, &away_epoll))
            return false;
        if (graph->processes[holder->process].pid != search->pid || !*reader)
            *reader = holder;
    }
    return *reader != NULL;
}

bool finding_backlog(struct wait_graph *graph, uint32_t index, struct wait_finding *finding)
{
    const struct wait_thread *thread = &graph->threads[index];
    const struct wait_holder *reader;
    struct search search;
    memset(finding, 0, sizeof *finding);
    if (!wants_space(graph, thread, &search) || !nobody_listens(graph, &search, &reader))
        return false;
    struct chain_link *writer = &finding->chain[0];
    struct wait_edge edge = {reader->process, REASON_SPACE, search.fd,
                             reader->fd,      reader->key,  false};
    const struct wait_thread *away = link_holder_thread(graph, reader->process);
    finding->kind = FINDING_BACKLOG;
    finding->limit_ms = thread->limit_ms;
    finding->likely = true; /* some ask for room without need (Rust's tokio, nginx), and memory is
                             * used for much */
    finding->away_epoll = -1;
    finding->count = 1;
    link_start(graph, thread, writer);
    if (!is_readiness_wait(thread->wait.kind)) {
        writer->wait = WAIT_EPOLL;
        strcpy(writer->waits_in, "epoll_wait");
    }
    writer->reason = REASON_SPACE;
    link_name_object(graph, search.fd, writer);
    link_set_for(graph, &edge, writer);
    finding->holder_pid = writer->for_pid;
    if (away && reader->process != thread->process) {
        link_start(graph, away, &finding->chain[1]);
        link_name_object(graph, away->wait.fd, &finding->chain[1]);
        finding->count = 2;
    }
    finding->fingerprint = link_mix(link_mix(0, (uint64_t)thread->tid), writer->key.inode);
    finding->holder_reads = reads_of(graph, reader->process);
    finding->memory_bytes = finding->memory_first = resident_bytes(writer->pid);
    finding->seen_ns = finding->seen_first_ns = clock_monotonic_ns();
    finding_describe(graph, finding);
    return true;
}

bool finding_backlog_confirms(const struct wait_finding *before, const struct wait_finding *now)
{
    bool unread = now->holder_reads != UNKNOWN_NUMBER && now->holder_reads == before->holder_reads;
    int64_t growth = now->memory_bytes - before->memory_bytes;
    uint64_t ms = (now->seen_ns - before->seen_ns) / NS_PER_MS;
    return before->memory_bytes != UNKNOWN_NUMBER && before->chain[0].used == now->chain[0].used &&
           growth > 0 && (uint64_t)growth * 1000 >= ms * GROWTH_BYTES_PER_S &&
           (unread || now->seen_ns - before->seen_first_ns >= (uint64_t)AWAY_FOR_MS * NS_PER_MS);
}

void finding_backlog_grew(const struct wait_finding *before, struct wait_finding *now)
{
    struct text_buffer text;
    size_t length = strlen(now->words);
    now->grown_rounds = before->grown_rounds + 1;
    now->memory_first = before->memory_first;
    now->seen_first_ns = before->seen_first_ns;
    text_init(&text, now->words + length, sizeof now->words - length);
    text_format(&text, "; its memory grew by %ld KiB in %lu ms meanwhile",
                (long)((now->memory_bytes - now->memory_first) / 1024),
                (unsigned long)((now->seen_ns - now->seen_first_ns) / NS_PER_MS));
}
