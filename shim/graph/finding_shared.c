// SPDX-License-Identifier: MIT
/* Writes that are refused because another holder of the stream has made it non-blocking. */
#include <fcntl.h>
#include <linux/kcmp.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "graph/finding_links.h"
#include "kernel/borrowed_fd.h"
#include "kernel/object_reader.h"
#include "kernel/proc_reader.h"
#include "kernel/status.h"

/* Two descriptors of one pipe that both show the flag may still be two descriptions; that each has
 * it by itself, and the writer did not set its own, is not to be expected. */
static bool is_nonblocking(int pid, int fd)
{
    char path[PROC_PATH_LIMIT];
    struct status_field flags = {.name = "flags", .base = 8};
    proc_path_number(path, pid, "fdinfo", fd);
    return fields_read(path, &flags, 1) && (flags.value & O_NONBLOCK);
}

static bool is_ancestor(const struct wait_graph *graph, uint32_t ancestor, uint32_t process)
{
    for (int steps = 0; steps < 64 && process != NO_INDEX; steps++) {
        if (process == ancestor)
            return true;
        process = wait_graph_process(graph, graph->processes[process].parent);
    }
    return false;
}

/* Who has most likely set it: Node makes its stdio non-blocking when it is a pipe; a shell that has
 * started both only waits for them. */
static unsigned suspicion(const struct wait_graph *graph, uint32_t process, uint32_t own)
{
    if (process_runtime(graph->processes[process].pid) == RUNTIME_NODE)
        return 3;
    return is_ancestor(graph, process, own) ? 1 : 2;
}

static const struct wait_holder *find_holder(const struct wait_graph *graph, uint32_t own,
                                             struct object_key key)
{
    const struct wait_holder *best = NULL;
    unsigned best_suspicion = 0;
    uint32_t count, first = wait_graph_holders(graph, key, &count);
    for (uint32_t i = first; i < first + count; i++) {
        const struct wait_holder *holder = &graph->holders[i];
        int pid = graph->processes[holder->process].pid;
        if (holder->process == own || !(holder->access & FD_WRITES) ||
            !is_nonblocking(pid, holder->fd))
            continue;
        unsigned suspected = suspicion(graph, holder->process, own);
        if (suspected > best_suspicion) {
            best = holder;
            best_suspicion = suspected;
        }
    }
    return best;
}

static void start_link(const struct wait_graph *graph, uint32_t process, struct chain_link *link)
{
    static const struct wait_thread unread = {.wait.kind = WAIT_NONE};
    const struct wait_thread *thread = link_holder_thread(graph, process);
    struct wait_thread stand_in = unread;
    stand_in.tid = graph->processes[process].pid;
    stand_in.process = process;
    link_start(graph, thread ? thread : &stand_in, link);
}

bool finding_nonblocking_shared(struct wait_graph *graph, int pid, int fd,
                                struct wait_finding *finding)
{
    struct fd_description description;
    uint32_t own = wait_graph_load(graph, pid);
    memset(finding, 0, sizeof *finding);
    if (own == NO_INDEX || fd_describe(pid, fd, &description) < 0 || !fd_is_channel(&description))
        return false;
    struct chain_link *writer = &finding->chain[0];
    const struct wait_holder *holder = find_holder(graph, own, description.key);
    finding->kind = FINDING_NONBLOCKING_SHARED;
    finding->away_epoll = -1;
    finding->count = 1;
    start_link(graph, own, writer);
    writer->wait = WAIT_WRITE;
    strcpy(writer->waits_in, "write");
    writer->reason = REASON_SPACE;
    link_name_object(graph, fd, writer);
    finding->fingerprint = link_mix(link_mix(0, (uint64_t)pid), description.key.inode);
    finding->likely = true;
    if (holder) {
        uint32_t process = wait_graph_load(graph, graph->processes[holder->process].pid);
        struct wait_edge edge = {holder->process, REASON_SPACE, fd, holder->fd, holder->key, false};
        link_set_for(graph, &edge, writer);
        start_link(graph, process, &finding->chain[1]);
        link_name_object(graph, holder->fd, &finding->chain[1]);
        finding->count = 2;
        finding->likely = finding->chain[1].runtime != RUNTIME_NODE;
    }
    finding_describe(graph, finding);
    return true;
}

/* One open file description, as far as the kernel says: it may have been built without kcmp(2). */
static bool may_share(int pid, int fd, int other_pid, int other_fd)
{
    return raw_syscall(SYS_kcmp, pid, other_pid, KCMP_FILE, fd, other_fd) <= 0;
}

static bool is_refused(const struct wait_graph *graph, int pid, int fd)
{
    struct pipe_fill fill;
    return is_nonblocking(pid, fd) && borrowed_pipe_fill(pid, fd, true, &fill) == 0 &&
           fill.full == 1 && (graph->access & ACCESS_BORROW);
}

static bool waits_for_space(const struct wait_graph *graph, uint32_t process, struct object_key key)
{
    const struct wait_process *own = &graph->processes[process];
    for (uint32_t i = 0; i < own->thread_count; i++) {
        const struct wait_thread *thread = &graph->threads[own->first_thread + i];
        if (thread->wait.kind == WAIT_WRITE || wait_graph_wants_space(graph, thread, key))
            return true;
    }
    return false;
}

/* Each counts, also one that fails. */
static int64_t write_calls(int pid)
{
    struct status_field calls = {.name = "syscw", .base = 10};
    char path[PROC_PATH_LIMIT];
    proc_path(path, pid, 0, "io");
    return fields_read(path, &calls, 1) ? (int64_t)calls.value : UNKNOWN_NUMBER;
}

bool finding_nonblocking_foreseen(struct wait_graph *graph, int pid, int fd,
                                  struct wait_finding *finding)
{
    struct fd_description stream;
    uint32_t own = wait_graph_process(graph, pid);
    if (own == NO_INDEX || !graph->processes[own].loaded || process_runtime(pid) == RUNTIME_NODE ||
        fd_describe(pid, fd, &stream) < 0 || !fd_is_channel(&stream) ||
        stream.kind == LINK_SOCKET || !is_refused(graph, pid, fd) ||
        waits_for_space(graph, own, stream.key) ||
        !finding_nonblocking_shared(graph, pid, fd, finding) || finding->count < 2 ||
        !may_share(pid, fd, finding->chain[0].for_pid, finding->chain[0].peer_fd))
        return false;
    finding->likely = finding->foreseen = true;
    finding->write_calls = write_calls(pid);
    finding->fingerprint = link_mix(finding->fingerprint, (uint64_t)finding->chain[0].used);
    finding_describe(graph, finding);
    return true;
}
