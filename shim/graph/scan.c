// SPDX-License-Identifier: MIT
/* The tables of the graph: all processes, and who holds which pipe and socket. */
#include "graph/wait_graph.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "graph/wait_graph_parts.h"
#include "kernel/object_reader.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"
#include "kernel/socket_peers.h"
#include "kernel/tcp_peer.h"
#include "kernel/unix_table.h"

static void *take(char **at, const char *end, size_t share, size_t item, uint32_t *limit)
{
    size_t space = (size_t)(end - *at);
    if (share > space)
        share = space;
    void *start = *at;
    *limit = (uint32_t)(share / item);
    *at += share / item * item;
    *at += -(uintptr_t)*at & (sizeof(uint64_t) - 1);
    if (*at > end)
        *at = (char *)end;
    return start;
}

void wait_graph_init(struct wait_graph *graph, void *memory, size_t size, unsigned access)
{
    char *at = memory;
    const char *end = at + size;
    memset(graph, 0, sizeof *graph);
    graph->access = access;
    graph->tables_read = (uint64_t *)memory;
    *graph->tables_read = 0;
    at += sizeof *graph->tables_read;
    graph->processes =
        take(&at, end, size / 100 * 20, sizeof *graph->processes, &graph->process_limit);
    graph->threads = take(&at, end, size / 100 * 35, sizeof *graph->threads, &graph->thread_limit);
    graph->holders = take(&at, end, size / 100 * 35, sizeof *graph->holders, &graph->holder_limit);
    graph->edges = take(&at, end, size / 100 * 10, sizeof *graph->edges, &graph->edge_limit);
}

static int compare_keys(struct object_key a, struct object_key b)
{
    if (a.inode != b.inode)
        return a.inode < b.inode ? -1 : 1;
    return a.device == b.device ? 0 : a.device < b.device ? -1 : 1;
}

static bool holder_before(const struct wait_holder *a, const struct wait_holder *b)
{
    int order = compare_keys(a->key, b->key);
    if (order != 0)
        return order < 0;
    return a->process != b->process ? a->process < b->process : a->fd < b->fd;
}

static void sift_down(struct wait_holder *heap, uint32_t at, uint32_t count)
{
    for (uint32_t child; (child = at * 2 + 1) < count; at = child) {
        if (child + 1 < count && holder_before(&heap[child], &heap[child + 1]))
            child++;
        if (!holder_before(&heap[at], &heap[child]))
            return;
        struct wait_holder moved = heap[at];
        heap[at] = heap[child];
        heap[child] = moved;
    }
}

/* Heapsort: in place and without recursion; qsort(3) may allocate. */
static void sort_holders(struct wait_holder *holders, uint32_t count)
{
    for (uint32_t i = count / 2; i > 0; i--)
        sift_down(holders, i - 1, count);
    for (uint32_t end = count; end > 1; end--) {
        struct wait_holder largest = holders[0];
        holders[0] = holders[end - 1];
        holders[end - 1] = largest;
        sift_down(holders, 0, end - 1);
    }
}

void wait_graph_sort_holders(struct wait_graph *graph)
{
    sort_holders(graph->holders, graph->holder_count);
}

/* Nothing is under way in an io_uring: no thread of the kernel's submits for it, and each request
 * that was taken has been answered (one that is answered twice, or never, makes the numbers
 * differ). libuv keeps such rings for its changes to an epoll set, from Node 22 on. */
static bool uring_is_idle(int pid, int fd)
{
    char path[PROC_PATH_LIMIT], text[1024];
    int64_t taken, answered, waiting, submitted;
    proc_path_number(path, pid, "fdinfo", fd);
    return proc_read(path, text, sizeof text) > 0 && strstr(text, "SqThread:\t-1\n") &&
           parse_field(text, "SqHead:", &submitted) && parse_field(text, "SqTail:", &waiting) &&
           parse_field(text, "CachedSqHead:", &taken) && parse_field(text, "CqTail:", &answered) &&
           submitted == waiting && taken == submitted && answered == taken;
}

/* True: the descriptors may not be read. */
static bool note_error(struct wait_graph *graph, long error)
{
    bool forbidden = error == -EACCES || error == -EPERM;
    graph->unreadable += forbidden;
    graph->refused |= proc_is_no_answer(error);
    return forbidden;
}

static void scan_fds(struct wait_graph *graph, uint32_t index)
{
    struct wait_process *process = &graph->processes[index];
    struct fd_iterator fds;
    long error = fd_iterate(&fds, process->pid);
    if (error < 0) {
        note_error(graph, error);
        return;
    }
    while (fd_next(&fds)) {
        if (fds.description.kind == LINK_URING && !uring_is_idle(process->pid, fds.description.fd))
            process->opaque = true;
        if (!fd_is_channel(&fds.description))
            continue;
        if (graph->holder_count == graph->holder_limit) {
            graph->incomplete = true;
            break;
        }
        graph->holders[graph->holder_count++] = (struct wait_holder){
            .key = fds.description.key,
            .process = index,
            .fd = fds.description.fd,
            .access = fds.description.access,
        };
    }
    process->readable = !note_error(graph, fds.directory.error);
    fd_iterate_end(&fds);
}

bool wait_graph_scan_process(struct wait_graph *graph, int pid)
{
    char text[512];
    struct stat_line stat;
    long size = proc_read_of(pid, 0, "stat", text, sizeof text);
    graph->refused |= proc_is_no_answer(size);
    if (size <= 0 || !parse_stat(text, &stat))
        return true; /* it has ended */
    if (stat.kernel_thread)
        return true;
    if (graph->process_count == graph->process_limit)
        return false;
    struct wait_process *process = &graph->processes[graph->process_count];
    memset(process, 0, sizeof *process);
    process->pid = pid;
    process->parent = stat.parent;
    process->group = stat.group;
    process->session = stat.session;
    process->state = stat.state;
    process->unawaited = stat.end_signal != SIGCHLD;
    memcpy(process->comm, stat.comm, sizeof process->comm);
    scan_fds(graph, graph->process_count++);
    return true;
}

void wait_graph_empty(struct wait_graph *graph)
{
    graph->process_count = graph->thread_count = graph->edge_count = graph->holder_count = 0;
    graph->unreadable = 0;
    *graph->tables_read = 0;
    unix_table_forget();
    graph->incomplete = graph->refused = graph->partial = graph->open = false;
}

long wait_graph_scan(struct wait_graph *graph)
{
    struct directory directory;
    int pid;
    wait_graph_empty(graph);
    long error = directory_open(&directory, "/proc");
    if (error < 0)
        return error;
    while (directory_next_number(&directory, &pid, NULL)) { /* the kernel lists them ascending */
        if (!wait_graph_scan_process(graph, pid)) {
            graph->incomplete = true;
            break;
        }
    }
    graph->refused |= directory.error != 0;
    directory_close(&directory);
    wait_graph_sort_holders(graph);
    return 0;
}

uint32_t wait_graph_process(const struct wait_graph *graph, int pid)
{
    uint32_t low = 0, high = graph->process_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (graph->processes[middle].pid < pid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < graph->process_count && graph->processes[low].pid == pid ? low : NO_INDEX;
}

uint32_t wait_graph_holders(const struct wait_graph *graph, struct object_key key, uint32_t *count)
{
    uint32_t low = 0, high = graph->holder_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_keys(graph->holders[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    uint32_t end = low;
    while (end < graph->holder_count && compare_keys(graph->holders[end].key, key) == 0)
        end++;
    *count = end - low;
    return low;
}

/* A file with all TCP sockets of the host is read for one of them, which a server with thousands of
 * connections cannot pay: only some times in a scan. */
static bool may_read_table(const struct wait_graph *graph)
{
    enum { WATCHDOG_LIMIT = 8, TOOL_LIMIT = 512 };
    return (*graph->tables_read)++ < (graph->few_looks ? TOOL_LIMIT : WATCHDOG_LIMIT);
}

bool wait_graph_socket_listens(const struct wait_graph *graph, int pid,
                               const struct fd_description *fd)
{
    struct socket_state state;
    if (socket_state_read(pid, fd, graph->access, &state))
        return state.listening;
    return may_read_table(graph) && socket_listens(pid, fd, graph->access);
}

static uint64_t peer_of_tcp(const struct wait_graph *graph, int pid,
                            const struct fd_description *fd)
{
    uint64_t peer;
    struct inet_socket inet;
    if (access_asks_sockets(graph->access) && tcp_peer_find(pid, fd->fd, fd->key.inode, &peer) == 0)
        return peer;
    return may_read_table(graph) && inet_socket_read(pid, fd->key.inode, &inet) == 0 ? inet.peer
                                                                                     : 0;
}

/* What a socket is, is asked of itself: who else has one like it, of all sockets of the host. */
static uint64_t peer_of_socket(const struct wait_graph *graph, int pid,
                               const struct fd_description *fd, int64_t *unread)
{
    struct socket_state own;
    struct unix_end end;
    bool may_ask = graph->access & ACCESS_SOCKET;
    if (may_ask && unix_table_find(fd->key.inode, &end)) {
        *unread = end.unread;
        return end.listening ? 0 : end.peer;
    }
    bool asked = socket_state_read(pid, fd, graph->access, &own);
    if (asked) {
        *unread = own.unread;
        if (own.listening)
            return 0;
        if (own.family == AF_INET || own.family == AF_INET6)
            return own.type == SOCK_STREAM ? peer_of_tcp(graph, pid, fd) : 0;
        if (own.family != AF_UNIX)
            return 0;
    }
    if (may_ask && unix_end_read(fd->key.inode, &end) == 0) {
        *unread = end.unread;
        return end.listening ? 0 : end.peer;
    }
    return asked ? 0 : peer_of_tcp(graph, pid, fd);
}

bool wait_graph_other_end(const struct wait_graph *graph, int pid, const struct fd_description *fd,
                          unsigned waits_for, struct wait_holder *end, int64_t *unread)
{
    memset(end, 0, sizeof *end);
    *unread = UNKNOWN_NUMBER;
    end->access = FD_READS | FD_WRITES;
    if (fd->kind == LINK_SOCKET)
        return (end->key.inode = peer_of_socket(graph, pid, fd, unread)) != 0;
    if (!fd_is_channel(fd))
        return false;
    end->key = fd->key;
    /* A writing end that is watched for input waits for its readers to go: asyncio does so. */
    if (fd->access == FD_WRITES || (fd->access != FD_READS && waits_for == WAIT_FOR_SPACE))
        end->access = FD_READS;
    else
        end->access = FD_WRITES;
    return true;
}
