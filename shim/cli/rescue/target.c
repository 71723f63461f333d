// SPDX-License-Identifier: MIT
#include "cli/rescue/target.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/diagnose/scan.h"
#include "kernel/borrowed_fd.h"
#include "kernel/fd_scan.h"
#include "kernel/proc_text.h"
#include "kernel/process_name.h"
#include "kernel/socket_peers.h"

static void take_link(const struct wait_finding *finding, const struct chain_link *link,
                      struct rescue_target *target)
{
    uint64_t inode;
    memset(target, 0, sizeof *target);
    target->writer = link->pid;
    target->writer_tid = link->tid;
    target->fd = link->own_fd;
    target->reader = link->for_pid;
    target->reader_fd = link->peer_fd;
    target->proven = true;
    target->socket = parse_link(link->object, &inode) == LINK_SOCKET;
    memcpy(target->object, link->object, sizeof target->object);
    memcpy(target->writer_name, link->name, sizeof target->writer_name);
    memcpy(target->reader_name, link->for_name, sizeof target->reader_name);
    snprintf(target->words, sizeof target->words, "%s", finding->words);
}

/* A full pipe of the process that was named comes before one of whom it waits for. */
static bool choose(const struct diagnosis *diagnosis, int pid, int fd, struct rescue_target *target)
{
    for (int own = 1; own >= 0; own--) {
        for (unsigned i = 0; i < diagnosis->finding_count; i++) {
            const struct wait_finding *finding = &diagnosis->findings[i];
            for (unsigned k = 0; k < finding->count; k++) {
                const struct chain_link *link = &finding->chain[k];
                if (link->reason != REASON_SPACE || link->own_fd < 0 || (link->pid == pid) != own ||
                    (fd >= 0 && link->own_fd != fd))
                    continue;
                take_link(finding, link, target);
                return true;
            }
        }
    }
    return false;
}

bool rescue_target_assume(int pid, int fd, struct rescue_target *target)
{
    struct fd_description description;
    memset(target, 0, sizeof *target);
    if (fd < 0 || fd_describe(pid, fd, &description) < 0 || !fd_is_channel(&description))
        return false;
    target->writer = target->writer_tid = pid;
    target->fd = fd;
    target->reader_fd = -1;
    target->socket = description.kind == LINK_SOCKET;
    memcpy(target->object, description.link, sizeof target->object);
    process_name(pid, "process", target->writer_name);
    return true;
}

/* A thread of the process waits for space, and who should make it, or where, may not be seen. */
static bool is_hidden(const struct diagnosis *diagnosis, int pid, struct rescue_target *target)
{
    const struct wait_graph *graph = &diagnosis->graph;
    memset(target, 0, sizeof *target);
    target->fd = -1;
    if (diagnosis->note_count == 0 && graph->unreadable == 0)
        return false;
    for (uint32_t i = 0; i < graph->thread_count; i++) {
        const struct wait_thread *thread = &graph->threads[i];
        int own_fd = thread->wait.call_known ? thread->wait.fd : -1;
        if (graph->processes[thread->process].pid != pid || thread->wait.kind != WAIT_WRITE ||
            (own_fd >= 0 && !rescue_target_assume(pid, own_fd, target)))
            continue;
        target->fd = own_fd;
        if (diagnosis->note_count > 0)
            snprintf(target->words, sizeof target->words, "%s", diagnosis->notes[0].text);
        else
            snprintf(target->words, sizeof target->words,
                     "%u processes may not be read (other users, not dumpable, or Yama)",
                     graph->unreadable);
        return true;
    }
    return false;
}

enum rescue_found rescue_target_find(int pid, int fd, struct rescue_target *target)
{
    struct diagnosis diagnosis;
    enum rescue_found found = RESCUE_NOT_STUCK;
    if (!diagnosis_start(&diagnosis, &pid, 1))
        return RESCUE_NOT_READABLE;
    bool scanned = diagnose_once(&diagnosis);
    if (scanned && choose(&diagnosis, pid, fd, target))
        found = RESCUE_FOUND;
    else if (!scanned || diagnosis.unread > 0)
        found = RESCUE_NOT_READABLE;
    else if (diagnosis.found == 0)
        found = RESCUE_NO_PROCESS;
    else if (is_hidden(&diagnosis, pid, target))
        found = RESCUE_NOT_PROVEN;
    diagnosis_end(&diagnosis);
    return found;
}

int rescue_target_open(const struct rescue_target *target)
{
    char path[64];
    long fd = borrowed_fd(target->writer, target->fd);
    if (fd >= 0 || target->socket || fd == -ESRCH || fd == -EBADF)
        return (int)fd;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", target->writer, target->fd);
    int own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return own < 0 ? -errno : own;
}

/* Slots count, not bytes: only poll() knows. */
static int is_full(const struct rescue_target *target)
{
    int fd = rescue_target_open(target);
    if (fd < 0)
        return fd == -ENXIO ? 0 : 1; /* nobody has the other end: EPIPE ends the write */
    struct pollfd writable = {fd, POLLOUT, 0};
    int ready = poll(&writable, 1, 0);
    close(fd);
    return ready == 0;
}

int rescue_target_is_stuck(const struct rescue_target *target)
{
    struct fd_description description;
    struct unix_socket own;
    if (fd_describe(target->writer, target->fd, &description) < 0 ||
        strcmp(description.link, target->object) != 0)
        return -1;
    if (target->socket)
        return unix_socket_read(description.key.inode, &own) == 0 ? unix_socket_full(&own) != 0
                                                                  : -1;
    return is_full(target);
}
