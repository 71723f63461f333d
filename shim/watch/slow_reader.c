// SPDX-License-Identifier: MIT
#include "watch/slow_reader.h"

#include <string.h>

#include "kernel/thread_wait.h"

enum { REMEMBERED_PIPES = 8 };

static struct {
    uint64_t inode, device; /* 0: free */
    int reader;
} pipes[REMEMBERED_PIPES];
static unsigned next;

void slow_reader_begin(void)
{
    if (pipes[0].inode != 0)
        memset(pipes, 0, sizeof pipes);
    next = 0;
}

static unsigned find(const struct pipe_facts *pipe)
{
    unsigned at = 0;
    while (at < REMEMBERED_PIPES &&
           (pipes[at].inode != pipe->inode || pipes[at].device != pipe->device))
        at++;
    return at;
}

void slow_reader_reported(const struct incident *incident)
{
    const struct pipe_facts *pipe = &incident->object.pipe;
    if (incident->class != CLASS_PIPE_WRITE || incident->loop || pipe->inode == 0 ||
        pipe->peer_count != 1 || !peer_runs(&pipe->peers[0]))
        return;
    unsigned at = find(pipe);
    if (at == REMEMBERED_PIPES)
        at = next++ % REMEMBERED_PIPES;
    pipes[at].inode = pipe->inode;
    pipes[at].device = pipe->device;
    pipes[at].reader = pipe->peers[0].pid;
}

/* It computes, or hands on what it has read and is itself held up there: that is told by whoever
 * reads from it, or in its own log. */
static bool is_at_work(int pid)
{
    struct thread_wait wait;
    return thread_wait_read(pid, pid, &wait) && (wait.state == 'R' || wait.kind == WAIT_WRITE);
}

bool slow_reader_at_work(const struct incident *incident)
{
    const struct pipe_facts *pipe = &incident->object.pipe;
    if (incident->class != CLASS_PIPE_WRITE || incident->loop || pipe->inode == 0 ||
        incident->blocked_ns >= SLOW_READER_PATIENCE * incident->threshold_ns)
        return false;
    unsigned at = find(pipe);
    return at != REMEMBERED_PIPES && is_at_work(pipes[at].reader);
}
