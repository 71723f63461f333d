// SPDX-License-Identifier: MIT
#include "kernel/wait_set.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "kernel/memory_reader.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"

static bool poll_set_each(int pid, const struct thread_wait *wait, wait_set_visit visit,
                          void *context)
{
    struct memory_reader memory = memory_reader_process(pid);
    uint64_t count = wait->arguments[1];
    if (count > WAIT_SET_LIMIT)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        struct pollfd entry;
        if (!memory_read(&memory, wait->arguments[0] + i * sizeof entry, &entry, sizeof entry))
            return false;
        if (entry.fd < 0)
            continue;
        unsigned waits_for =
            (entry.events & (POLLIN | POLLPRI | POLLRDNORM) ? WAIT_FOR_INPUT : 0U) |
            (entry.events & (POLLOUT | POLLWRNORM) ? WAIT_FOR_SPACE : 0U);
        if (!visit(context, entry.fd, waits_for))
            return false;
    }
    return true;
}

/* The kernel writes its answer into the sets only when the call returns. */
static bool select_set_each(int pid, const struct thread_wait *wait, wait_set_visit visit,
                            void *context)
{
    enum { WORD_BITS = 64 };
    uint64_t sets[2][WAIT_SET_LIMIT / WORD_BITS + 1];
    struct memory_reader memory = memory_reader_process(pid);
    uint64_t count = wait->arguments[0];
    if (count > WAIT_SET_LIMIT)
        return false;
    memset(sets, 0, sizeof sets);
    for (unsigned set = 0; set < 2; set++) {
        uint64_t address = wait->arguments[1 + set];
        size_t size = (count + WORD_BITS - 1) / WORD_BITS * sizeof(uint64_t);
        if (address != 0 && !memory_read(&memory, address, sets[set], size))
            return false;
    }
    for (unsigned fd = 0; fd < count; fd++) {
        uint64_t bit = 1ULL << (fd % WORD_BITS);
        unsigned waits_for = (sets[0][fd / WORD_BITS] & bit ? WAIT_FOR_INPUT : 0U) |
                             (sets[1][fd / WORD_BITS] & bit ? WAIT_FOR_SPACE : 0U);
        if (waits_for != 0 && !visit(context, (int)fd, waits_for))
            return false;
    }
    return true;
}

bool epoll_set_each(int pid, int epoll_fd, wait_set_visit visit, void *context)
{
    char path[PROC_PATH_LIMIT];
    struct line_reader lines;
    struct epoll_line entry;
    unsigned count = 0;
    bool all = true;
    proc_path_number(path, pid, "fdinfo", epoll_fd);
    if (lines_open(&lines, path) < 0)
        return false;
    for (const char *line; all && (line = lines_next(&lines)) != NULL;) {
        if (!parse_epoll(&line, &entry))
            continue;
        unsigned waits_for = (entry.events & (EPOLLIN | EPOLLPRI) ? WAIT_FOR_INPUT : 0U) |
                             (entry.events & EPOLLOUT ? WAIT_FOR_SPACE : 0U);
        all = ++count <= WAIT_SET_LIMIT && visit(context, entry.fd, waits_for);
    }
    lines_close(&lines);
    return all;
}

bool wait_set_each(int pid, const struct thread_wait *wait, bool memory_allowed,
                   wait_set_visit visit, void *context)
{
    if (!wait->call_known)
        return false;
    switch (wait->kind) {
    case WAIT_READ:
        return wait->fd >= 0 && visit(context, wait->fd, WAIT_FOR_INPUT);
    case WAIT_WRITE:
        return wait->fd >= 0 && visit(context, wait->fd, WAIT_FOR_SPACE);
    case WAIT_POLL:
        return memory_allowed && poll_set_each(pid, wait, visit, context);
    case WAIT_SELECT:
        return memory_allowed && select_set_each(pid, wait, visit, context);
    case WAIT_EPOLL:
        return epoll_set_each(pid, wait->fd, visit, context);
    default:
        return false;
    }
}
