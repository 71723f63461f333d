// SPDX-License-Identifier: MIT
/* Who waits for a lock: which process holds it. */
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/stat.h>

#include "base/raw_syscall.h"
#include "graph/wait_edges.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"

void edges_to_own_threads(struct edge_maker *maker)
{
    struct wait_edge edge = {maker->thread->process, REASON_FUTEX, -1, -1, {0, 0}, false};
    edges_add(maker, &edge);
}

/* The holder of a file lock, from /proc/locks by device and inode. */
void edges_to_lock_holder(struct edge_maker *maker)
{
    char path[PROC_PATH_LIMIT];
    struct statx file = {0};
    struct line_reader lines;
    struct lock_line lock;
    bool found = false;
    proc_path_number(path, maker->pid, "fd", maker->thread->wait.fd);
    maker->thread->free = true;
    if (raw_syscall(SYS_statx, AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_INO, &file) < 0 ||
        lines_open(&lines, "/proc/locks") < 0)
        return;
    for (const char *line; !found && (line = lines_next(&lines)) != NULL;)
        found = parse_lock(&line, &lock) && !lock.waits && lock.inode == file.stx_ino &&
                lock.major == file.stx_dev_major && lock.minor == file.stx_dev_minor;
    lines_close(&lines);
    uint32_t holder = found ? wait_graph_process(maker->graph, lock.pid) : NO_INDEX;
    if (found && holder == NO_INDEX && maker->graph->partial)
        edges_leave_open(maker);
    if (holder == NO_INDEX) /* an open-file lock, or its taker has gone and left it to a child */
        return;
    maker->thread->free = false;
    struct wait_edge edge = {holder, REASON_LOCK, maker->thread->wait.fd, -1, {0, 0}, false};
    edges_add(maker, &edge);
}

/* A futex that is not marked private may still lie in memory that no other process shares:
 * pthread_join(3) waits so. */
static bool is_shared_memory(int pid, uint64_t address)
{
    char path[PROC_PATH_LIMIT];
    struct line_reader lines;
    bool shared = true;
    proc_path(path, pid, 0, "maps");
    if (lines_open(&lines, path) < 0)
        return true;
    for (const char *line; (line = lines_next(&lines)) != NULL;) {
        struct map_line map;
        if (parse_map(line, &map) && address >= map.start && address < map.end) {
            shared = map.shared;
            break;
        }
    }
    lines_close(&lines);
    return shared;
}

void edges_to_futex(struct edge_maker *maker)
{
    const struct thread_wait *wait = &maker->thread->wait;
    bool is_private = wait->call_known && (wait->arguments[1] & FUTEX_PRIVATE_FLAG);
    if (!wait->call_known || (!is_private && is_shared_memory(maker->pid, wait->arguments[0])))
        maker->thread->free = true;
    else
        edges_to_own_threads(maker);
}
