// SPDX-License-Identifier: MIT
/* Why a terminal takes no output: flow control, or its other side does not read. */
#include "graph/finding_words.h"
#include "kernel/borrowed_fd.h"
#include "kernel/fd_scan.h"
#include "kernel/object_reader.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"
#include "kernel/status.h"

/* The process that holds the master of /dev/pts/N, and its descriptor. */
static bool find_master(const struct wait_graph *graph, int64_t index, int *pid, int *fd)
{
    for (uint32_t i = 0; i < graph->process_count; i++) {
        struct fd_iterator fds;
        bool found = false;
        if (!graph->processes[i].readable || fd_iterate(&fds, graph->processes[i].pid) < 0)
            continue;
        while (!found && fd_next(&fds)) {
            char path[PROC_PATH_LIMIT];
            struct status_field number = {.name = "tty-index", .base = 10};
            if (fds.description.kind != LINK_PTY_MASTER)
                continue;
            proc_path_number(path, graph->processes[i].pid, "fdinfo", fds.description.fd);
            found = fields_read(path, &number, 1) && number.value == (uint64_t)index;
            *fd = fds.description.fd;
        }
        fd_iterate_end(&fds);
        *pid = graph->processes[i].pid;
        if (found)
            return true;
    }
    return false;
}

/* What a terminal's other side has not read tells why it takes no more: nothing unread means that
 * it was asked to stop. */
void finding_terminal_words(const struct wait_graph *graph, const struct chain_link *link,
                            struct text_buffer *text)
{
    int64_t index;
    int pid = 0, fd = -1;
    text_string(text, ", a terminal that takes no output");
    if (!parse_field(link->object, "/dev/pts/", &index) || !find_master(graph, index, &pid, &fd)) {
        text_string(text, ": flow-controlled (Ctrl-S), or its other side does not read");
        return;
    }
    int64_t unread = graph->access & ACCESS_BORROW ? borrowed_unread(pid, fd) : -1;
    if (unread == 0)
        text_string(text, ": it is flow-controlled (Ctrl-S); its other side is ");
    else if (unread > 0)
        text_string(text, ": its other side does not read: ");
    else
        text_string(text, ": flow-controlled (Ctrl-S), or not read by its other side ");
    finding_other_process_words(graph, pid, text);
}
