// SPDX-License-Identifier: MIT
#include "kernel/object_reader.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/text_buffer.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"
#include "kernel/process_name.h"
#include "kernel/socket_peers.h"
#include "kernel/thread_wait.h"
#include "kernel/unread.h"

_Static_assert((int)PEER_NAME_LIMIT == (int)PROCESS_NAME_LIMIT, "a peer's name is a process's");

/* How much a thread tells about why its process does not use an object. */
static int relevance(const struct thread_wait *wait, int fd, bool leader)
{
    static const int weights[] = {
        [WAIT_WRITE] = 40, [WAIT_CHILD] = 40,   [WAIT_LOCK] = 40,   [WAIT_STOPPED] = 40,
        [WAIT_READ] = 30,  [WAIT_CONNECT] = 30, [WAIT_OPEN] = 30,   [WAIT_NONE] = 25,
        [WAIT_POLL] = 20,  [WAIT_SELECT] = 20,  [WAIT_EPOLL] = 20,  [WAIT_SLEEP] = 20,
        [WAIT_OTHER] = 15, [WAIT_FUTEX] = 5,    [WAIT_UNKNOWN] = 0,
    };
    if (fd >= 0 && wait->fd == fd && (wait->kind == WAIT_READ || wait->kind == WAIT_WRITE))
        return 100;
    int weight = (unsigned)wait->kind < sizeof weights / sizeof *weights ? weights[wait->kind] : 0;
    return weight + (leader ? 25 : 0);
}

static void take_wait(struct peer_facts *peer, const struct thread_wait *wait)
{
    struct text_buffer text;
    text_init(&text, peer->waits_in, sizeof peer->waits_in);
    if (wait->kind != WAIT_NONE && wait->kind != WAIT_ZOMBIE)
        thread_wait_words(wait, &text);
    peer->unread = wait->refused ? unread_because(peer->pid) : UNREAD_NOT;
}

bool peer_facts_of_holder(int pid, int fd, struct peer_facts *peer)
{
    char path[PROC_PATH_LIMIT];
    struct directory threads;
    struct thread_wait wait;
    int best = -1, tid;
    memset(peer, 0, sizeof *peer);
    peer->pid = pid;
    peer->fd = fd >= 0 ? fd : UNKNOWN_NUMBER;
    proc_path(path, pid, 0, "task");
    if (directory_open(&threads, path) < 0)
        return false;
    for (int count = 0; count < ACCESS_THREAD_LIMIT && directory_next_number(&threads, &tid, NULL);
         count++) {
        if (!thread_wait_read(pid, tid, &wait))
            continue;
        bool leader = tid == pid;
        if (leader) {
            peer->state = wait.state;
            memcpy(peer->comm, wait.comm, sizeof peer->comm);
        }
        if (!leader && strncmp(wait.comm, LIBRARY_THREAD_NAME, strlen(LIBRARY_THREAD_NAME)) == 0)
            continue;
        int rank = relevance(&wait, fd, leader);
        if (rank > best) {
            best = rank;
            take_wait(peer, &wait);
        }
    }
    directory_close(&threads);
    if (best >= 0)
        process_name(pid, peer->comm, peer->name);
    return best >= 0;
}

bool peer_facts_of_process(int pid, struct peer_facts *peer)
{
    return peer_facts_of_holder(pid, -1, peer);
}

/* The end that the peers hold: of a pipe the same object in the other direction, of a socket
 * another object. */
struct wanted_end {
    struct object_key key;
    unsigned access;
};

static void add_peer(struct pipe_facts *pipe, int pid, int fd)
{
    bool has_space = pipe->peer_count < PEER_LIMIT;
    if (!has_space || peer_facts_of_holder(pid, fd, &pipe->peers[pipe->peer_count]))
        pipe->peer_count++;
}

static long find_end(int pid, const struct wanted_end *wanted)
{
    return fd_find(pid, wanted->key, wanted->access);
}

static void scan_peers(const struct wanted_end *wanted, struct pipe_facts *pipe)
{
    struct directory processes;
    int pid;
    if (directory_open(&processes, "/proc") < 0)
        return;
    pipe->peers_known = true;
    for (unsigned count = 0; directory_next_number(&processes, &pid, NULL); count++) {
        long fd = count < ACCESS_PROCESS_LIMIT ? find_end(pid, wanted) : -EACCES;
        if (fd == -EACCES) {
            pipe->peers_unreadable++;
            if (pipe->peer_count == 0 && count < ACCESS_PROCESS_LIMIT)
                unread_count(pid, &pipe->unread);
        } else if (fd >= 0) {
            add_peer(pipe, pid, (int)fd);
        }
    }
    if (pipe->peer_count > 0)
        pipe->unread = (struct unread_count){0};
    directory_close(&processes);
}

static bool first_holder(uint64_t inode, int *pid, struct unread_count *unread)
{
    struct wanted_end wanted = {.key = {.inode = inode}, .access = FD_READS | FD_WRITES};
    struct directory processes;
    bool found = false;
    if (directory_open(&processes, "/proc") < 0)
        return false;
    for (unsigned count = 0;
         !found && count < ACCESS_PROCESS_LIMIT && directory_next_number(&processes, pid, NULL);
         count++) {
        long fd = find_end(*pid, &wanted);
        found = fd >= 0;
        if (fd == -EACCES)
            unread_count(*pid, unread);
    }
    directory_close(&processes);
    if (found)
        *unread = (struct unread_count){0};
    return found;
}

/* False: it has no other end that can be found. */
static bool other_end_of(enum object_role role, unsigned access, const struct object_facts *facts,
                         struct wanted_end *wanted)
{
    struct unix_socket socket;
    *wanted = (struct wanted_end){.access = FD_READS | FD_WRITES};
    if (facts->kind == OBJECT_SOCKETPAIR) {
        if (!(access & ACCESS_SOCKET) || unix_socket_read(facts->pipe.inode, &socket) < 0)
            return false;
        wanted->key.inode = socket.peer;
        return socket.peer != 0;
    }
    wanted->key = (struct object_key){facts->pipe.inode, facts->pipe.device};
    if (role == ROLE_WRITER)
        wanted->access = FD_READS;
    else if (role == ROLE_READER)
        wanted->access = FD_WRITES;
    return facts->kind == OBJECT_PIPE || facts->kind == OBJECT_FIFO;
}

void find_peers(enum object_role role, unsigned access, struct object_facts *facts)
{
    struct wanted_end wanted;
    facts->pipe.peer_count = 0;
    facts->pipe.peers_unreadable = 0;
    facts->pipe.unread = (struct unread_count){0};
    facts->pipe.peers_known = false;
    if (other_end_of(role, access, facts, &wanted))
        scan_peers(&wanted, &facts->pipe);
}

bool find_peer_in(int pid, enum object_role role, unsigned access, const struct object_facts *facts,
                  struct peer_facts *peer)
{
    struct wanted_end wanted;
    if (!other_end_of(role, access, facts, &wanted))
        return false;
    long fd = find_end(pid, &wanted);
    return fd >= 0 && peer_facts_of_holder(pid, (int)fd, peer);
}

bool peers_still_hold(enum object_role role, unsigned access, const struct peer_holder *holders,
                      unsigned count, struct object_facts *facts)
{
    struct wanted_end wanted;
    struct fd_description fd;
    if (!other_end_of(role, access, facts, &wanted))
        return false;
    facts->pipe.peer_count = 0;
    for (unsigned i = 0; i < count; i++) {
        if (fd_describe(holders[i].pid, holders[i].fd, &fd) < 0 ||
            !object_key_equal(fd.key, wanted.key) || !(fd.access & wanted.access))
            return false;
        add_peer(&facts->pipe, holders[i].pid, holders[i].fd);
    }
    facts->pipe.peers_known = true;
    return facts->pipe.peer_count == count;
}

static void clear_pipe(struct pipe_facts *pipe)
{
    pipe->used = pipe->capacity = UNKNOWN_NUMBER;
    pipe->slots = pipe->slots_used = pipe->full = UNKNOWN_NUMBER;
}

static void read_pipe_facts(int pid, int fd, struct pipe_facts *pipe)
{
    struct pipe_fill fill;
    if (borrowed_pipe_fill(pid, fd, true, &fill) < 0)
        return;
    unsigned long page = getauxval(AT_PAGESZ);
    pipe->used = fill.used;
    pipe->capacity = fill.capacity;
    pipe->full = fill.full;
    if (fill.capacity > 0 && page > 0)
        pipe->slots = (int)((unsigned long)fill.capacity / page);
    if (fill.full == 1)
        pipe->slots_used = pipe->slots;
    else if (fill.used == 0)
        pipe->slots_used = 0;
}

static void fill_of_socketpair(const struct unix_socket *own, const struct unix_socket *peer,
                               enum object_role role, struct pipe_facts *pipe)
{
    if (role == ROLE_READER) {
        pipe->used = own->unread;
        return;
    }
    pipe->used = peer->unread;
    pipe->full = unix_socket_full(own);
}

static void read_unix_facts(const struct unix_socket *own, enum object_role role,
                            struct object_facts *facts)
{
    struct unix_socket peer = {.unread = UNKNOWN_NUMBER};
    facts->kind = OBJECT_SOCKET;
    facts->socket.family = "unix";
    memcpy(facts->socket.local, own->name, sizeof facts->socket.local);
    if (own->peer != 0 && unix_socket_read(own->peer, &peer) == 0)
        memcpy(facts->socket.remote, peer.name, sizeof facts->socket.remote);
    /* An address means a service behind it; a pair that nobody can find by name is a pipe. */
    if (own->stream && !own->listening && own->name[0] == '\0' && peer.name[0] == '\0') {
        facts->kind = OBJECT_SOCKETPAIR;
        fill_of_socketpair(own, &peer, role, &facts->pipe);
    }
}

static void read_socket_facts(int pid, uint64_t inode, enum object_role role, unsigned access,
                              struct object_facts *facts)
{
    struct unix_socket own;
    struct inet_socket inet;
    facts->kind = OBJECT_SOCKET;
    uint64_t peer = 0;
    if ((access & ACCESS_SOCKET) && unix_socket_read(inode, &own) == 0) {
        read_unix_facts(&own, role, facts);
        peer = own.peer;
    } else if (inet_socket_read(pid, inode, &inet) == 0) {
        facts->socket.family = inet.family;
        memcpy(facts->socket.local, inet.local, sizeof facts->socket.local);
        memcpy(facts->socket.remote, inet.remote, sizeof facts->socket.remote);
        peer = inet.peer;
    }
    int holder;
    if (facts->kind == OBJECT_SOCKET && peer != 0 && (access & ACCESS_PEERS) &&
        first_holder(peer, &holder, &facts->socket.unread)) {
        struct peer_facts process;
        facts->socket.peer_pid = holder;
        if (peer_facts_of_process(holder, &process))
            memcpy(facts->socket.peer_name, process.name, sizeof process.name);
    }
}

/* By inode: the number of a socket is no other's while the kernel has not made 2^32 of them. */
enum { LISTENERS = 32 };
static struct listener {
    uint64_t inode;
    int family, type;
} listeners[LISTENERS]; /* child: kept, it has the same sockets */

static struct listener *listener_of(uint64_t inode)
{
    return &listeners[inode % LISTENERS];
}

bool socket_state_read(int pid, const struct fd_description *fd, unsigned access,
                       struct socket_state *state)
{
    struct listener *known = listener_of(fd->key.inode);
    if (!access_asks_sockets(access))
        return false;
    if (fd->key.inode != 0 && known->inode == fd->key.inode) {
        *state = (struct socket_state){known->family, known->type, true, -1};
        return true;
    }
    if (borrowed_socket_state(pid, fd->fd, state) < 0)
        return false;
    if (state->listening)
        *known = (struct listener){fd->key.inode, state->family, state->type};
    return true;
}

bool socket_listens(int pid, const struct fd_description *fd, unsigned access)
{
    struct socket_state state;
    struct unix_socket unix_socket;
    struct inet_socket inet;
    if (socket_state_read(pid, fd, access, &state))
        return state.listening;
    if ((access & ACCESS_SOCKET) && unix_socket_read(fd->key.inode, &unix_socket) == 0)
        return unix_socket.listening;
    return inet_socket_read(pid, fd->key.inode, &inet) == 0 && inet.listening;
}

static enum object_role role_of_access(unsigned access)
{
    if (access == FD_WRITES)
        return ROLE_WRITER;
    return access == FD_READS ? ROLE_READER : ROLE_UNKNOWN;
}

static enum object_kind kind_of_link(const struct fd_description *fd)
{
    switch (fd->kind) {
    case LINK_PIPE:
        return OBJECT_PIPE;
    case LINK_SOCKET:
        return OBJECT_SOCKET;
    case LINK_TTY:
    case LINK_PTY_MASTER:
        return OBJECT_TTY;
    case LINK_PATH:
        return fd->fifo ? OBJECT_FIFO : OBJECT_FILE;
    default:
        return OBJECT_OTHER;
    }
}

long object_facts_of_fd(int pid, int fd, enum object_role role, unsigned access,
                        struct object_facts *facts)
{
    struct fd_description description;
    memset(facts, 0, sizeof *facts);
    clear_pipe(&facts->pipe);
    facts->socket.peer_pid = UNKNOWN_NUMBER;
    long error = fd_describe(pid, fd, &description);
    if (error < 0)
        return error;
    facts->kind = kind_of_link(&description);
    memcpy(facts->name, description.link, sizeof facts->name);
    if (role == ROLE_UNKNOWN && facts->kind != OBJECT_SOCKET)
        role = role_of_access(description.access);
    facts->pipe.inode = description.key.inode;
    facts->pipe.device = description.key.device;
    if (facts->kind == OBJECT_SOCKET)
        read_socket_facts(pid, description.key.inode, role, access, facts);
    else if ((access & ACCESS_BORROW) && fd_is_channel(&description))
        read_pipe_facts(pid, fd, &facts->pipe);
    facts->pipe.role = role == ROLE_WRITER ? "writer" : role == ROLE_READER ? "reader" : NULL;
    if (access & ACCESS_PEERS)
        find_peers(role, access, facts);
    return 0;
}
