// SPDX-License-Identifier: MIT
#include "watch/readiness_set.h"

#include "base/clock.h"
#include "base/kernel_calls.h"
#include "kernel/call_table.h"
#include "kernel/child_wait.h"
#include "kernel/fd_scan.h"
#include "kernel/object_reader.h"
#include "kernel/socket_peers.h"
#include "kernel/wait_set.h"
#include "process/life.h"
#include "watch/context.h"

static void add(struct readiness_set *set, int fd, bool reads, bool writes)
{
    if (set->count == READINESS_SET_LIMIT || fd < 0)
        return;
    set->entry[set->count].fd = fd;
    set->entry[set->count].reads = reads;
    set->entry[set->count].writes = writes;
    set->count++;
}

static bool add_entry(void *context, int fd, unsigned waits_for)
{
    add(context, fd, waits_for & WAIT_FOR_INPUT, waits_for & WAIT_FOR_SPACE);
    return true;
}

static void read_poll(const struct memory_reader *memory, const struct task_call *call,
                      struct readiness_set *set)
{
    uint64_t count =
        call->arguments[1] < READINESS_SET_LIMIT ? call->arguments[1] : READINESS_SET_LIMIT;
    set->known = poll_array_each(memory, call->arguments[0], count, add_entry, set);
}

static void read_select(const struct memory_reader *memory, const struct task_call *call,
                        struct readiness_set *set)
{
    uint64_t limit = call->arguments[0] < SELECT_LIMIT ? call->arguments[0] : SELECT_LIMIT;
    set->known = select_sets_each(memory, limit, &call->arguments[1], add_entry, set);
}

static void read_epoll(const struct task_call *call, struct readiness_set *set)
{
    set->epoll_fd = (int)call->arguments[0];
    set->known = epoll_set_each(atomic_load(&life->pid), set->epoll_fd, add_entry, set) ||
                 set->count != 0; /* more than are looked at: those are known */
}

struct readiness_set readiness_set_read(const struct memory_reader *memory,
                                        const struct task_call *call)
{
    struct readiness_set set = {.epoll_fd = -1};
    const struct call_description *known = call_description(call->number);
    switch (known ? known->kind : WAIT_OTHER) {
    case WAIT_POLL:
        read_poll(memory, call, &set);
        break;
    case WAIT_SELECT:
        read_select(memory, call, &set);
        break;
    case WAIT_EPOLL:
        read_epoll(call, &set);
        break;
    default:
        break;
    }
    return set;
}

/* True if this process holds the other end as well. */
static bool finds_both_ends(const struct fd_description *fd)
{
    struct fd_iterator fds;
    struct unix_socket socket = {0};
    struct object_key other = fd->key;
    unsigned ends = 0;
    if (fd->kind == LINK_SOCKET) {
        if (unix_socket_read(fd->key.inode, &socket) < 0 || socket.peer == 0)
            return false;
        other.inode = socket.peer;
        ends = FD_READS | FD_WRITES;
    }
    if (fd_iterate(&fds, atomic_load(&life->pid)) < 0)
        return false;
    bool found = false;
    while (!found && fd_next(&fds)) {
        if (!object_key_equal(fds.description.key, other))
            continue;
        ends |= fds.description.access;
        found = ends == (FD_READS | FD_WRITES);
    }
    fd_iterate_end(&fds);
    return found;
}

/* Who holds one end only gets the other by opening a FIFO or by being sent it: it is asked again a
 * second later, for the whole fd table is read for it at each poll that a loop is seen in. */
static bool holds_both_ends(const struct fd_description *fd)
{
    enum { REMEMBERED = 8 };
    static struct {
        struct object_key key;
        uint64_t until;
    } one_ended[REMEMBERED]; /* child: kept, its fd table is a copy */
    static unsigned next;    /* child: kept, a place in it */
    uint64_t now = clock_monotonic_ns();
    for (unsigned i = 0; i < REMEMBERED; i++)
        if (now < one_ended[i].until && object_key_equal(one_ended[i].key, fd->key))
            return false;
    if (finds_both_ends(fd))
        return true;
    one_ended[next].key = fd->key;
    one_ended[next].until = clock_monotonic_ns() + NS_PER_S;
    next = (next + 1) % REMEMBERED;
    return false;
}

static bool is_listening(const struct fd_description *fd)
{
    return socket_listens(atomic_load(&life->pid), fd, context_permitted_access());
}

static bool wakes_up(int fd)
{
    struct fd_description description;
    if (fd_describe(atomic_load(&life->pid), fd, &description) < 0)
        return false;
    switch (description.kind) {
    case LINK_ANON:
        return true;
    case LINK_PIPE:
        return holds_both_ends(&description);
    case LINK_SOCKET:
        return is_listening(&description) || holds_both_ends(&description);
    default:
        return false;
    }
}

bool readiness_set_only_accepts(const struct readiness_set *set)
{
    struct fd_description fd;
    unsigned listening = 0;
    for (unsigned i = 0; i < set->count; i++) {
        if (fd_describe(atomic_load(&life->pid), set->entry[i].fd, &fd) < 0)
            return false;
        bool listens = fd.kind == LINK_SOCKET && is_listening(&fd);
        if (!listens && (fd.kind != LINK_PIPE || !holds_both_ends(&fd)))
            return false;
        listening += listens;
    }
    return listening != 0;
}

int readiness_set_wake_up(const struct readiness_set *set)
{
    struct fd_description only;
    /* GNU make waits so for its jobserver's token. */
    if (set->count == 1 && fd_describe(atomic_load(&life->pid), set->entry[0].fd, &only) == 0 &&
        only.kind == LINK_PIPE)
        return -1;
    for (unsigned i = 0; i < set->count; i++)
        if (wakes_up(set->entry[i].fd))
            return set->entry[i].fd;
    return -1;
}

/* A TCP socket that is not connected yet is waited for until it is. */
static enum call_class class_of_socket(const struct object_facts *object, bool reads)
{
    struct inet_socket inet;
    if (inet_socket_read(atomic_load(&life->pid), object->pipe.inode, &inet) == 0) {
        if (inet.listening)
            return CLASS_ACCEPT;
        if (inet.connecting)
            return CLASS_CONNECT;
    }
    return reads ? CLASS_SOCKET_READ : CLASS_SOCKET_WRITE;
}

static bool explain_entry(const struct readiness_set *set, unsigned i, unsigned access,
                          struct incident *incident)
{
    bool reads = set->entry[i].reads || !set->entry[i].writes;
    struct object_facts object;
    if (object_facts_of_fd(atomic_load(&life->pid), set->entry[i].fd,
                           reads ? ROLE_READER : ROLE_WRITER, access, &object) < 0)
        return false;
    switch (object.kind) {
    case OBJECT_SOCKET:
        incident->class = class_of_socket(&object, reads);
        break;
    case OBJECT_PIPE:
    case OBJECT_FIFO:
    case OBJECT_SOCKETPAIR:
        incident->class = reads ? CLASS_PIPE_READ : CLASS_PIPE_WRITE;
        break;
    default:
        return false;
    }
    incident->fd = set->entry[i].fd;
    incident->object = object;
    return true;
}

struct child_search {
    unsigned access, looks;
    struct incident *incident;
};

static bool is_held_by_child(void *context, int child)
{
    enum { CHILDREN_LOOKED_AT = 32 }; /* postgres' first process has a hundred */
    struct child_search *search = context;
    struct incident *incident = search->incident;
    enum object_role role = incident->class == CLASS_PIPE_READ ? ROLE_READER : ROLE_WRITER;
    if (find_peer_in(child, role, search->access, &incident->object, &incident->object.child)) {
        incident->class = CLASS_CHILD;
        return false;
    }
    return ++search->looks < CHILDREN_LOOKED_AT;
}

/* The other end of a pipe is a child's: what is waited for is that it ends or answers (execSync,
 * subprocess.run). Only the thread's own children are asked: this is done for each poll that an
 * event loop is seen in, and all processes of a host cost 20 us each. */
static void explain_child(unsigned access, struct incident *incident)
{
    struct child_search search = {.access = access, .incident = incident};
    children_of_thread(atomic_load(&life->pid), incident->tid, is_held_by_child, &search);
}

void readiness_set_explain(const struct readiness_set *set, unsigned access,
                           struct incident *incident)
{
    if (!set->known)
        return;
    if (set->count == 0 && set->epoll_fd < 0) { /* poll(NULL, 0, time): an old way to sleep */
        incident->class = CLASS_SLEEP;
        return;
    }
    for (unsigned i = 0; i < set->count; i++) {
        if (wakes_up(set->entry[i].fd) || !explain_entry(set, i, access, incident))
            continue;
        if (incident->class == CLASS_PIPE_READ || incident->class == CLASS_PIPE_WRITE)
            explain_child(access, incident);
        return;
    }
    /* Nothing but ways to be woken: libuv's spawnSync waits so for SIGCHLD. */
    int child = child_first(incident->tid);
    if (child != 0 && peer_facts_of_process(child, &incident->object.child))
        incident->class = CLASS_CHILD;
}
