// SPDX-License-Identifier: MIT
#include "kernel/wait_set.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"

bool poll_array_each(const struct memory_reader *memory, uint64_t address, uint64_t count,
                     wait_set_visit visit, void *context)
{
    enum { AT_ONCE = 32 };
    struct pollfd entries[AT_ONCE];
    for (uint64_t done = 0; done < count; done += AT_ONCE) {
        uint64_t part = count - done < AT_ONCE ? count - done : AT_ONCE;
        if (!memory_read(memory, address + done * sizeof *entries, entries, part * sizeof *entries))
            return false;
        for (uint64_t i = 0; i < part; i++) {
            unsigned waits_for =
                (entries[i].events & (POLLIN | POLLPRI | POLLRDNORM) ? WAIT_FOR_INPUT : 0U) |
                (entries[i].events & (POLLOUT | POLLWRNORM) ? WAIT_FOR_SPACE : 0U);
            if (entries[i].fd >= 0 && !visit(context, entries[i].fd, waits_for))
                return false;
        }
    }
    return true;
}

/* The kernel writes its answer into the sets only when the call returns. */
bool select_sets_each(const struct memory_reader *memory, uint64_t count,
                      const uint64_t addresses[2], wait_set_visit visit, void *context)
{
    enum { WORD_BITS = 64 };
    uint64_t sets[2][SELECT_LIMIT / WORD_BITS];
    if (count > SELECT_LIMIT)
        return false;
    memset(sets, 0, sizeof sets);
    size_t size = (count + WORD_BITS - 1) / WORD_BITS * sizeof(uint64_t);
    for (unsigned set = 0; size != 0 && set < 2; set++)
        if (addresses[set] != 0 && !memory_read(memory, addresses[set], sets[set], size))
            return false;
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

static bool is_read_from_memory(const struct thread_wait *wait)
{
    return wait->kind == WAIT_POLL || wait->kind == WAIT_SELECT;
}

bool wait_set_each(int pid, const struct thread_wait *wait, bool memory_allowed,
                   wait_set_visit visit, void *context)
{
    struct memory_reader memory = memory_reader_process(pid);
    if (!wait->call_known || (is_read_from_memory(wait) && !memory_allowed))
        return false;
    switch (wait->kind) {
    case WAIT_READ:
        return wait->fd >= 0 && visit(context, wait->fd, WAIT_FOR_INPUT);
    case WAIT_WRITE:
        return wait->fd >= 0 && visit(context, wait->fd, WAIT_FOR_SPACE);
    case WAIT_POLL:
        return wait->arguments[1] <= WAIT_SET_LIMIT &&
               poll_array_each(&memory, wait->arguments[0], wait->arguments[1], visit, context);
    case WAIT_SELECT:
        return wait->arguments[0] <= WAIT_SET_LIMIT &&
               select_sets_each(&memory, wait->arguments[0], &wait->arguments[1], visit, context);
    case WAIT_EPOLL:
        return epoll_set_each(pid, wait->fd, visit, context);
    default:
        return false;
    }
}

static bool take_fd(void *context, int fd, unsigned waits_for)
{
    (void)waits_for;
    *(int *)context = fd;
    return true;
}

int wait_set_only(int pid, const struct thread_wait *wait, bool memory_allowed)
{
    int fd = -1;
    if (wait->kind != WAIT_POLL)
        return wait->fd;
    if (wait->call_known && wait->arguments[1] == 1)
        wait_set_each(pid, wait, memory_allowed, take_fd, &fd);
    return fd;
}
