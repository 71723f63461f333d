// SPDX-License-Identifier: MIT
#include "graph/finding.h"

#include <string.h>

#include "base/text_buffer.h"
#include "kernel/borrowed_fd.h"
#include "kernel/object_look.h"
#include "kernel/socket_peers.h"

/* FNV-1a: equal fingerprints need not resist an enemy. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
    for (int byte = 0; byte < 8; byte++)
        hash = (hash ^ (value >> (byte * 8) & 0xff)) * 1099511628211ULL;
    return hash;
}

static uint64_t mix_thread(uint64_t hash, const struct wait_thread *thread)
{
    hash = mix(hash, (uint64_t)thread->tid);
    hash = mix(hash, (uint64_t)thread->wait.kind);
    hash = mix(hash, (uint64_t)thread->wait.number);
    for (unsigned i = 0; i < 3; i++)
        hash = mix(hash, thread->wait.arguments[i]);
    return mix(hash, thread->wait.switches);
}

static void name_process(int pid, struct text_buffer *text)
{
    text_string(text, "process ");
    text_signed(text, pid);
}

/* How full the pipe or socket is whose descriptor `fd` a process writes to. */
static void read_fill(const struct wait_graph *graph, int pid, int fd, const char *name,
                      struct chain_link *link)
{
    struct pipe_fill fill;
    struct unix_socket own, peer;
    uint64_t inode;
    if (parse_link(name, &inode) == LINK_SOCKET) {
        if (!(graph->look & LOOK_SOCKET) || unix_socket_read(inode, &own) < 0)
            return;
        link->full = unix_socket_full(&own);
        if (link->full < 0) /* it sleeps in the write, so it has not been woken yet */
            link->full = 1;
        if (own.peer != 0 && unix_socket_read(own.peer, &peer) == 0)
            link->used = peer.unread;
    } else if ((graph->look & LOOK_BORROW) && borrowed_pipe_fill(pid, fd, true, &fill) == 0) {
        link->used = fill.used;
        link->capacity = fill.capacity;
        link->full = fill.full;
    }
}

static void start_link(const struct wait_graph *graph, const struct wait_thread *thread,
                       struct chain_link *link)
{
    const struct wait_process *process = &graph->processes[thread->process];
    struct text_buffer text;
    memset(link, 0, sizeof *link);
    link->pid = process->pid;
    link->tid = thread->tid;
    link->wait = thread->wait.kind;
    link->own_fd = link->peer_fd = -1;
    link->used = link->capacity = link->full = UNKNOWN_NUMBER;
    memcpy(link->comm, process->comm, sizeof link->comm);
    text_init(&text, link->waits_in, sizeof link->waits_in);
    thread_wait_words(&thread->wait, &text);
}

static void name_object(const struct wait_graph *graph, int fd, struct chain_link *link)
{
    struct fd_description description;
    if (fd < 0 || fd_describe(link->pid, fd, &description) < 0)
        return;
    link->own_fd = fd;
    memcpy(link->object, description.link, sizeof link->object);
    link->key = description.key;
    if ((link->wait == WAIT_WRITE || link->reason == REASON_ROOM) && fd_is_channel(&description))
        read_fill(graph, link->pid, fd, link->object, link);
}

static void make_link(const struct wait_graph *graph, const struct wait_thread *thread,
                      const struct wait_edge *edge, struct chain_link *link)
{
    struct text_buffer text;
    start_link(graph, thread, link);
    link->reason = edge->reason;
    link->for_pid = graph->processes[edge->process].pid;
    link->peer_fd = edge->peer_fd;
    if (edge->reason == REASON_CHILD || edge->reason == REASON_SIGNAL) {
        text_init(&text, link->object, sizeof link->object);
        name_process(link->for_pid, &text);
    } else if (thread->candidates <= 1) { /* else nobody can say which of them it is */
        name_object(graph, edge->own_fd, link);
    }
}

static bool comes_round(const struct wait_graph *graph, const struct wait_process *process)
{
    for (uint32_t i = 0; i < process->thread_count; i++) {
        const struct wait_thread *thread = &graph->threads[process->first_thread + i];
        if (thread->recurs || thread->listener)
            return true;
    }
    return false;
}

/* All threads of a process: none of them may have woken between two looks. Where threads wake by
 * their nature (`likely`), what has to stand still is what they wait for. */
static uint64_t mix_process(const struct wait_graph *graph, uint64_t hash, uint32_t index,
                            bool likely)
{
    const struct wait_process *process = &graph->processes[index];
    hash = mix(hash, (uint64_t)process->pid);
    if (likely && comes_round(graph, process))
        return hash;
    for (uint32_t i = 0; i < process->thread_count; i++)
        hash = mix_thread(hash, &graph->threads[process->first_thread + i]);
    return hash;
}

/* Starts a circle at a full pipe when it has one: what a reader wants to see first. */
static unsigned first_step(const struct wait_graph *graph, const struct wait_step *steps,
                           unsigned count)
{
    unsigned best = 0;
    for (unsigned i = 1; i < count; i++) {
        bool writes = graph->edges[steps[i].edge].reason == REASON_ROOM;
        bool best_writes = graph->edges[steps[best].edge].reason == REASON_ROOM;
        if (writes != best_writes ? writes : steps[i].process < steps[best].process)
            best = i;
    }
    return best;
}

/* Who, and on what: the same for each member that looks, and for a look an hour later. */
static uint64_t identify(const struct wait_finding *finding)
{
    uint64_t id = 14695981039346656037ULL;
    for (unsigned i = 0; i < finding->count; i++) {
        const struct chain_link *link = &finding->chain[i];
        id = mix(mix(mix(id, (uint64_t)link->tid), link->key.inode), (uint64_t)link->reason);
    }
    return id;
}

static void make_deadlock(struct wait_graph *graph, const struct wait_step *steps, unsigned count,
                          unsigned acting, struct wait_finding *finding)
{
    unsigned first = first_step(graph, steps, count);
    memset(finding, 0, sizeof *finding);
    finding->kind = FINDING_DEADLOCK;
    finding->timed = !(acting & ACT_TIMED);
    finding->likely = !(acting & ACT_LISTENERS);
    finding->limit_ms = INT64_MAX;
    finding->away_epoll = -1;
    finding->count = count;
    for (unsigned i = 0; i < count; i++) {
        const struct wait_step *step = &steps[(first + i) % count];
        struct wait_process *process = &graph->processes[step->process];
        make_link(graph, &graph->threads[step->thread], &graph->edges[step->edge],
                  &finding->chain[i]);
        process->reported = true;
        finding->fingerprint =
            mix_process(graph, finding->fingerprint, step->process, finding->likely);
        finding->fingerprint = mix(finding->fingerprint, (uint64_t)finding->chain[i].used);
        for (uint32_t t = 0; t < process->thread_count; t++) {
            const struct wait_thread *thread = &graph->threads[process->first_thread + t];
            if (thread->timed && thread->limit_ms < finding->limit_ms)
                finding->limit_ms = thread->limit_ms;
        }
    }
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
        if (reason == REASON_ROOM || reason == REASON_LOCK)
            return true;
    }
    return false;
}

static unsigned find_deadlocks(struct wait_graph *graph, unsigned acting,
                               struct wait_finding *findings, unsigned count, unsigned limit)
{
    struct wait_step steps[CHAIN_LIMIT];
    wait_graph_reduce(graph, acting);
    for (uint32_t i = 0; i < graph->process_count && count < limit; i++) {
        if (graph->processes[i].reported || !graph->processes[i].loaded)
            continue;
        unsigned length = wait_graph_circle(graph, i, steps, CHAIN_LIMIT);
        bool known = length == 0 || !is_worth_words(graph, steps, length, acting);
        for (unsigned s = 0; s < length; s++)
            known |= graph->processes[steps[s].process].reported;
        if (!known)
            make_deadlock(graph, steps, length, acting, &findings[count++]);
    }
    return count;
}

/* Which thread of a process tells best why it does not read. */
static int keeper_rank(const struct wait_thread *thread, int pid)
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

static const struct wait_thread *keeper_thread(const struct wait_graph *graph, uint32_t process)
{
    const struct wait_process *keeper = &graph->processes[process];
    const struct wait_thread *best = NULL;
    for (uint32_t i = 0; i < keeper->thread_count; i++) {
        const struct wait_thread *thread = &graph->threads[keeper->first_thread + i];
        if (!best || keeper_rank(thread, keeper->pid) > keeper_rank(best, keeper->pid))
            best = thread;
    }
    return best;
}

static bool is_stopped(const struct wait_graph *graph, uint32_t process)
{
    char state = graph->processes[process].state;
    const struct wait_thread *thread = keeper_thread(graph, process);
    return state == 'T' || state == 't' || (thread && thread->wait.kind == WAIT_STOPPED);
}

/* What is known of all who hold the reading end. */
struct readers {
    unsigned count, stopped;
    bool listening, own_only, doubt;
    uint32_t keeper;
    const struct wait_edge *edge; /* that leads to the keeper */
    int away_epoll;
};

/* `key`: what the writer waits for room in, which may be one of many that it waits for. */
static struct readers look_at_readers(const struct wait_graph *graph,
                                      const struct wait_thread *writer, struct object_key key)
{
    struct readers readers = {.own_only = true, .away_epoll = -1, .keeper = NO_INDEX};
    for (uint32_t i = 0; i < writer->edge_count && !readers.listening; i++) {
        const struct wait_edge *edge = &graph->edges[writer->first_edge + i];
        const struct wait_process *reader = &graph->processes[edge->process];
        bool own = edge->process == writer->process;
        int away_epoll;
        if (edge->reason != REASON_ROOM || !object_key_equal(edge->key, key))
            continue;
        readers.count++;
        readers.own_only &= own;
        readers.doubt |= reader->opaque;
        if (is_stopped(graph, edge->process))
            readers.stopped++;
        else if (wait_graph_listens(graph, edge->process, edge->key, &away_epoll))
            readers.listening = true;
        else
            readers.away_epoll = away_epoll >= 0 ? away_epoll : readers.away_epoll;
        if (readers.keeper == NO_INDEX || readers.keeper == writer->process) {
            readers.keeper = edge->process;
            readers.edge = edge;
        }
    }
    return readers;
}

static enum finding_kind kind_of_readers(const struct readers *readers)
{
    if (readers->count == 0)
        return FINDING_NO_READER;
    if (readers->stopped == readers->count)
        return FINDING_READER_STOPPED;
    return readers->own_only ? FINDING_SELF_READER : FINDING_READER_AWAY;
}

/* The second link: who should read, and what that process does instead. */
static void add_keeper(const struct wait_graph *graph, const struct readers *readers,
                       struct wait_finding *finding)
{
    const struct wait_process *keeper = &graph->processes[readers->keeper];
    const struct wait_thread *thread = keeper_thread(graph, readers->keeper);
    finding->keeper_pid = keeper->pid;
    finding->keeper_switches = keeper->switches;
    finding->away_epoll = readers->away_epoll;
    if (!thread)
        return;
    struct chain_link *link = &finding->chain[finding->count++];
    /* Of the many things that a set waits for none is the one. */
    bool has_set = thread->wait.kind == WAIT_EPOLL || thread->wait.kind == WAIT_POLL ||
                   thread->wait.kind == WAIT_SELECT;
    if (thread->edge_count > 0 && thread->wait.kind != WAIT_FUTEX && !has_set) {
        make_link(graph, thread, &graph->edges[thread->first_edge], link);
    } else {
        start_link(graph, thread, link);
        if (!has_set)
            name_object(graph, thread->wait.fd, link);
    }
    finding->keeper_sleeps =
        thread->wait.kind == WAIT_SLEEP ||
        (thread->wait.kind != WAIT_READ && thread->free && thread->limit_ms < TIMED_WAIT_MS);
    if (finding->keeper_sleeps)
        finding->keeper_sleep_ms =
            thread_wait_limit_ms(&thread->wait, keeper->pid, (graph->look & LOOK_MEMORY) != 0);
}

/* The descriptor that a thread waits for room in: that of its write, or one of its poll (a program
 * whose descriptor does not block: Node, Bun, asyncio's drain()); -1 none. */
static int room_fd(const struct wait_graph *graph, const struct wait_thread *thread)
{
    for (uint32_t i = 0; i < thread->edge_count; i++) {
        const struct wait_edge *edge = &graph->edges[thread->first_edge + i];
        if (edge->reason == REASON_ROOM)
            return edge->own_fd;
    }
    return thread->wait.kind == WAIT_WRITE ? thread->wait.fd : -1;
}

static bool waits_for_room(const struct wait_graph *graph, const struct wait_thread *thread,
                           struct chain_link *link)
{
    int fd = room_fd(graph, thread);
    if (fd < 0 || thread->free || graph->processes[thread->process].opaque ||
        thread->candidates > 1)
        return false;
    start_link(graph, thread, link);
    link->reason = REASON_ROOM;
    name_object(graph, fd, link);
    return link->key.inode != 0 && link->full != 0;
}

static bool make_stuck_write(const struct wait_graph *graph, const struct wait_thread *thread,
                             struct wait_finding *finding)
{
    memset(finding, 0, sizeof *finding);
    if (!waits_for_room(graph, thread, &finding->chain[0]))
        return false;
    struct readers readers = look_at_readers(graph, thread, finding->chain[0].key);
    if (readers.listening || readers.doubt)
        return false;
    finding->kind = kind_of_readers(&readers);
    finding->count = 1;
    finding->away_epoll = -1;
    finding->fingerprint = mix(mix_thread(0, thread), (uint64_t)finding->chain[0].used);
    if (readers.edge) {
        finding->chain[0].for_pid = graph->processes[readers.keeper].pid;
        finding->chain[0].peer_fd = readers.edge->peer_fd;
        add_keeper(graph, &readers, finding);
    }
    finding_describe(graph, finding);
    return true;
}

/* Started by a process that is gone: the kernel has given it another parent. A parent in another
 * session did not fork it, unless the child itself began that session. */
static bool is_orphan(const struct wait_graph *graph, const struct wait_process *process)
{
    uint32_t parent = wait_graph_process(graph, process->parent);
    if (process->parent <= 1 || parent == NO_INDEX)
        return true;
    return process->session != process->pid && process->group != process->pid &&
           graph->processes[parent].session != process->session;
}

static bool has_zombie_child(const struct wait_graph *graph, int pid)
{
    for (uint32_t i = 0; i < graph->process_count; i++) {
        if (graph->processes[i].parent == pid && graph->processes[i].state == 'Z')
            return true;
    }
    return false;
}

static bool is_ancestor(const struct wait_graph *graph, int ancestor,
                        const struct wait_process *process)
{
    for (int steps = 0; steps < 64 && process->parent > 0; steps++) {
        if (process->parent == ancestor)
            return true;
        uint32_t parent = wait_graph_process(graph, process->parent);
        if (parent == NO_INDEX)
            return false;
        process = &graph->processes[parent];
    }
    return false;
}

/* A holder of the writing end that the reader does not know of. Not its parents, who feed it. Two
 * ends of one pipeline whose shell has gone are orphans of the same parent: they belong together.
 */
static bool is_leftover(const struct wait_graph *graph, const struct wait_process *reader,
                        const struct wait_process *holder)
{
    if (holder->parent == reader->pid || holder->parent == reader->parent ||
        is_ancestor(graph, holder->pid, reader))
        return false;
    if (has_zombie_child(graph, reader->pid))
        return true;
    return is_orphan(graph, holder) && !is_orphan(graph, reader);
}

/* A read for which the direct child is gone while somebody it left behind holds the writing end. */
static bool make_endless_read(const struct wait_graph *graph, const struct wait_thread *thread,
                              struct wait_finding *finding)
{
    const struct wait_process *reader = &graph->processes[thread->process];
    if (thread->wait.kind != WAIT_READ || thread->edge_count == 0 || reader->opaque)
        return false;
    for (uint32_t i = 0; i < thread->edge_count; i++) {
        const struct wait_edge *edge = &graph->edges[thread->first_edge + i];
        const struct wait_process *holder = &graph->processes[edge->process];
        bool own = edge->process == thread->process && reader->thread_count == 1;
        if (edge->reason != REASON_INPUT || (!own && !is_leftover(graph, reader, holder)))
            return false;
    }
    memset(finding, 0, sizeof *finding);
    const struct wait_edge *edge = &graph->edges[thread->first_edge];
    if (edge->process == thread->process && thread->edge_count > 1)
        edge++;
    finding->kind = FINDING_EOF_NEVER;
    finding->away_epoll = -1;
    finding->count = 1;
    make_link(graph, thread, edge, &finding->chain[0]);
    if (parse_link(finding->chain[0].object, &(uint64_t){0}) == LINK_SOCKET)
        return false; /* a conversation, not a stream that ends */
    finding->keeper_pid = finding->chain[0].for_pid;
    finding->fingerprint = mix_thread(0, thread);
    const struct wait_thread *keeper = keeper_thread(graph, edge->process);
    if (keeper && edge->process != thread->process) {
        start_link(graph, keeper, &finding->chain[1]);
        name_object(graph, keeper->wait.fd, &finding->chain[1]);
        finding->count = 2;
    }
    finding_describe(graph, finding);
    return true;
}

/* In a pipeline that has come to a halt every stage but the last is stuck for the same cause: only
 * the one nearest to it is told. */
static bool is_told_downstream(const struct wait_finding *finding,
                               const struct wait_finding *findings, unsigned count)
{
    if (finding->kind != FINDING_READER_AWAY || finding->count < 2)
        return false;
    for (unsigned i = 0; i < count; i++) {
        if (&findings[i] != finding && findings[i].kind != FINDING_EOF_NEVER &&
            findings[i].chain[0].tid == finding->chain[1].tid)
            return true;
    }
    return false;
}

unsigned wait_graph_find(struct wait_graph *graph, struct wait_finding *findings, unsigned limit)
{
    unsigned count = 0;
    if (!graph->incomplete) {
        /* From what is proven to what needs an assumption each. */
        static const unsigned passes[] = {ACT_ALL, ACT_ALL & ~ACT_TIMED, ACT_TIMED, 0};
        for (unsigned pass = 0; pass < sizeof passes / sizeof *passes; pass++)
            count = find_deadlocks(graph, passes[pass], findings, count, limit);
    }
    for (uint32_t i = 0; i < graph->thread_count && count < limit; i++) {
        const struct wait_thread *thread = &graph->threads[i];
        if (graph->processes[thread->process].reported)
            continue;
        if (make_stuck_write(graph, thread, &findings[count]) ||
            make_endless_read(graph, thread, &findings[count]))
            count++;
    }
    for (unsigned i = 0; i < count;) {
        if (is_told_downstream(&findings[i], findings, count)) {
            memmove(&findings[i], &findings[i + 1], (count - i - 1) * sizeof *findings);
            count--;
        } else {
            i++;
        }
    }
    return count;
}

static bool names_process(const struct wait_finding *finding, int pid)
{
    for (unsigned i = 0; i < finding->count; i++) {
        if (finding->chain[i].pid == pid)
            return true;
    }
    return false;
}

bool wait_graph_may_be_stuck(struct wait_graph *graph, int pid)
{
    if (wait_graph_scan_relatives(graph, pid) < 0)
        return true;
    uint32_t process = wait_graph_load(graph, pid);
    /* A child that has ended may have left somebody behind who holds the pipe that is read. */
    if (process == NO_INDEX || graph->open || graph->incomplete || has_zombie_child(graph, pid))
        return true;
    wait_graph_reduce(graph, 0);
    return !graph->processes[process].can_act;
}

unsigned wait_graph_look_at(struct wait_graph *graph, int pid, struct wait_finding *findings,
                            unsigned limit)
{
    if (wait_graph_scan(graph) < 0 || wait_graph_load(graph, pid) == NO_INDEX)
        return 0;
    unsigned count = wait_graph_find(graph, findings, limit);
    for (unsigned i = 1; i < count && !names_process(&findings[0], pid); i++) {
        if (names_process(&findings[i], pid))
            memcpy(&findings[0], &findings[i], sizeof *findings);
    }
    return count;
}

bool wait_finding_confirms(const struct wait_finding *before, const struct wait_finding *now)
{
    if (before->kind != now->kind || before->fingerprint != now->fingerprint)
        return false;
    if (now->kind != FINDING_READER_AWAY || !now->keeper_sleeps)
        return true;
    return now->keeper_switches - before->keeper_switches >= KEEPER_STEPS ||
           now->keeper_sleep_ms >= TIMED_WAIT_MS;
}

const char *finding_name(enum finding_kind kind)
{
    static const char *const names[] = {
        [FINDING_DEADLOCK] = "deadlock",       [FINDING_SELF_READER] = "self_reader",
        [FINDING_NO_READER] = "no_reader",     [FINDING_READER_STOPPED] = "reader_stopped",
        [FINDING_READER_AWAY] = "reader_away", [FINDING_EOF_NEVER] = "eof_never",
    };
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "";
}
