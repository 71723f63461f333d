// SPDX-License-Identifier: MIT
#include <string.h>

#include "cli/diagnose/output.h"
#include "kernel/object_reader.h"
#include "kernel/process_name.h"
#include "kernel/wait_set.h"

bool diagnosis_asked(const struct diagnosis *diagnosis, int pid)
{
    for (unsigned i = 0; i < diagnosis->pid_count; i++) {
        if (diagnosis->pids[i] == pid)
            return true;
    }
    return diagnosis->pids == NULL;
}

static void take_peer(const struct wait_graph *graph, const struct wait_holder *holder,
                      struct pipe_facts *pipe)
{
    if (pipe->peer_count < PEER_LIMIT)
        peer_facts_of_holder(graph->processes[holder->process].pid, holder->fd,
                             &pipe->peers[pipe->peer_count]);
    pipe->peer_count++;
}

static void take_peers(const struct wait_graph *graph, int pid, int fd, struct object_facts *facts)
{
    struct fd_description description;
    struct wait_holder end;
    int64_t unread;
    bool writes = facts->pipe.role && strcmp(facts->pipe.role, "writer") == 0;
    if (fd_describe(pid, fd, &description) < 0 ||
        !wait_graph_other_end(graph, pid, &description, writes ? WAIT_FOR_SPACE : WAIT_FOR_INPUT,
                              &end, &unread))
        return;
    uint32_t count, first = wait_graph_holders(graph, end.key, &count), last = NO_INDEX;
    facts->pipe.peers_known = true;
    facts->pipe.peers_unreadable = graph->unreadable;
    for (uint32_t i = first; i < first + count; i++) {
        const struct wait_holder *holder = &graph->holders[i];
        if (!(holder->access & end.access) || holder->process == last)
            continue;
        last = holder->process;
        if (facts->kind == OBJECT_SOCKET) {
            const struct wait_process *peer = &graph->processes[holder->process];
            facts->socket.peer_pid = peer->pid;
            process_name(peer->pid, peer->comm, facts->socket.peer_name);
        } else {
            take_peer(graph, holder, &facts->pipe);
        }
    }
}

bool diagnosis_facts(const struct diagnosis *diagnosis, uint32_t process, int fd,
                     struct object_facts *facts)
{
    const struct wait_graph *graph = &diagnosis->graph;
    int pid = graph->processes[process].pid;
    if (fd < 0 || object_facts_of_fd(pid, fd, ROLE_UNKNOWN, graph->access & ~(unsigned)ACCESS_PEERS,
                                     facts) < 0)
        return false;
    take_peers(graph, pid, fd, facts);
    return true;
}

int diagnosis_fd(const struct diagnosis *diagnosis, const struct wait_thread *thread)
{
    const struct wait_graph *graph = &diagnosis->graph;
    return wait_set_only(graph->processes[thread->process].pid, &thread->wait,
                         (graph->access & ACCESS_MEMORY) != 0);
}
