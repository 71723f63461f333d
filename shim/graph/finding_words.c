// SPDX-License-Identifier: MIT
/* The sentence and the advice of a finding. */
#include <string.h>

#include "base/text_buffer.h"
#include "graph/finding.h"
#include "kernel/borrowed_fd.h"
#include "kernel/object_look.h"
#include "kernel/proc_reader.h"
#include "kernel/socket_peers.h"
#include "kernel/status.h"

static void process_words(struct text_buffer *text, const char *comm, int pid)
{
    text_string(text, comm[0] != '\0' ? comm : "process");
    text_string(text, " (");
    text_signed(text, pid);
    text_char(text, ')');
}

static void end_words(struct text_buffer *text, int fd)
{
    static const char *const names[] = {"stdin", "stdout", "stderr"};
    if (fd >= 0 && fd < 3) {
        text_string(text, names[fd]);
    } else {
        text_string(text, "fd ");
        text_signed(text, fd);
    }
}

/* "pipe 81723", "socket 99", a FIFO's path. */
static void object_words(struct text_buffer *text, const struct chain_link *link)
{
    uint64_t inode;
    switch (parse_link(link->object, &inode)) {
    case LINK_PIPE:
        text_string(text, "pipe ");
        text_unsigned(text, inode);
        break;
    case LINK_SOCKET:
        text_string(text, "socket ");
        text_unsigned(text, inode);
        break;
    default:
        text_string(text, link->object);
    }
}

/* The call alone: "read" of "read fd 5". */
static void call_words(struct text_buffer *text, const struct chain_link *link)
{
    const char *end = strstr(link->waits_in, " fd ");
    if (link->wait == WAIT_CHILD)
        end = strchr(link->waits_in, ' ');
    text_bytes(text, link->waits_in, end ? (size_t)(end - link->waits_in) : strlen(link->waits_in));
}

static const char *comm_of(const struct wait_graph *graph, int pid)
{
    uint32_t process = wait_graph_process(graph, pid);
    return process == NO_INDEX ? "" : graph->processes[process].comm;
}

static void fill_words(struct text_buffer *text, const struct chain_link *link)
{
    text_string(text, link->full == 0 ? ": " : ": full");
    if (link->used < 0)
        return;
    text_string(text, link->full == 0 ? "" : ", ");
    text_signed(text, link->used);
    if (link->capacity >= 0) {
        text_string(text, " of ");
        text_signed(text, link->capacity);
    } else {
        text_string(text, " unread");
    }
    text_string(text, " bytes");
}

static void write_words(struct text_buffer *text, const struct chain_link *link)
{
    text_string(text, link->wait == WAIT_WRITE ? "cannot finish its " : "waits in ");
    call_words(text, link);
    if (link->object[0] == '\0') {
        text_string(text, " (to which pipe may not be read)");
        return;
    }
    text_string(text, link->wait == WAIT_WRITE ? " to " : " for room in ");
    object_words(text, link);
    text_string(text, " (its ");
    end_words(text, link->own_fd);
    text_char(text, ')');
    fill_words(text, link);
}

/* Whose data is waited for: named by the writer's descriptor, "engine's stdout". */
static void input_words(const struct wait_graph *graph, struct text_buffer *text,
                        const struct chain_link *link)
{
    text_string(text, comm_of(graph, link->for_pid));
    text_string(text, "'s ");
    end_words(text, link->peer_fd);
}

static void predicate(const struct wait_graph *graph, struct text_buffer *text,
                      const struct chain_link *link, bool named_before)
{
    const char *other = comm_of(graph, link->for_pid);
    if (link->reason == REASON_ROOM) {
        write_words(text, link);
        text_string(text, link->for_pid == link->pid ? "; only it itself can read it" : "; only ");
        if (link->for_pid == link->pid)
            return;
        process_words(text, other, link->for_pid);
        text_string(text, " can read it");
        return;
    }
    text_string(text, "waits in ");
    call_words(text, link);
    if (link->reason == REASON_SIGNAL) {
        text_string(text, ", where nothing but the end of ");
        process_words(text, other, link->for_pid);
        text_string(text, " would wake it");
        return;
    }
    text_string(text, " for ");
    if (link->reason == REASON_INPUT) {
        input_words(graph, text, link);
    } else if (link->reason == REASON_LOCK) {
        text_string(text, "the lock on ");
        object_words(text, link);
        text_string(text, " that ");
        process_words(text, other, link->for_pid);
        text_string(text, " holds");
    } else {
        if (named_before)
            text_string(text, other);
        else
            process_words(text, other, link->for_pid);
        text_string(text, " to exit");
    }
}

static void seconds_words(struct text_buffer *text, int64_t milliseconds)
{
    text_signed(text, milliseconds / 1000);
    text_char(text, '.');
    text_signed(text, milliseconds % 1000 / 100);
    text_string(text, " s");
}

static void deadlock_words(const struct wait_graph *graph, const struct wait_finding *finding,
                           struct text_buffer *text)
{
    process_words(text, finding->chain[0].comm, finding->chain[0].pid);
    text_char(text, ' ');
    for (unsigned i = 0; i < finding->count; i++) {
        if (i > 0)
            text_string(text, ", which ");
        predicate(graph, text, &finding->chain[i], i + 1 == finding->count);
    }
    if (finding->likely)
        text_string(text, "; likely, not proven: what else could end it cannot be seen");
    if (finding->timed) {
        text_string(text, "; nothing moves until a timeout of ");
        seconds_words(text, finding->limit_ms);
        text_string(text, " ends");
    }
}

static int tracer_of(int pid)
{
    struct status_field tracer = {.name = "TracerPid", .base = 10};
    return status_read(pid, 0, &tracer, 1) ? (int)tracer.value : 0;
}

/* The process that holds the master of /dev/pts/N, and its descriptor. */
static bool find_master(const struct wait_graph *graph, int64_t index, int *pid, int *fd)
{
    for (uint32_t i = 0; i < graph->process_count; i++) {
        struct fd_iterator fds;
        bool found = false;
        if (!graph->processes[i].readable || fd_iterate(&fds, graph->processes[i].pid) < 0)
            continue;
        while (!found && fd_next(&fds)) {
            char path[PROC_PATH_LIMIT], text[256];
            int64_t number;
            if (fds.description.kind != LINK_PTY_MASTER)
                continue;
            proc_path_number(path, graph->processes[i].pid, "fdinfo", fds.fd);
            found = proc_read(path, text, sizeof text) > 0 &&
                    parse_field(text, "tty-index:", &number) && number == index;
            *fd = fds.fd;
        }
        fd_iterate_end(&fds);
        *pid = graph->processes[i].pid;
        if (found)
            return true;
    }
    return false;
}

/* What a terminal's other side has not read tells why it takes no more: nothing unread means that
 * it was told to stop. */
static void terminal_words(const struct wait_graph *graph, const struct chain_link *link,
                           struct text_buffer *text)
{
    int64_t index;
    int pid = 0, fd = -1;
    text_string(text, ", a terminal that takes no output");
    if (!parse_field(link->object, "/dev/pts/", &index) || !find_master(graph, index, &pid, &fd)) {
        text_string(text, ": flow-controlled (Ctrl-S), or its other side does not read");
        return;
    }
    int64_t unread = graph->look & LOOK_BORROW ? borrowed_unread(pid, fd) : -1;
    if (unread == 0)
        text_string(text, ": it is flow-controlled (Ctrl-S); its other side is ");
    else if (unread > 0)
        text_string(text, ": its other side does not read: ");
    else
        text_string(text, ": flow-controlled (Ctrl-S), or not read by its other side ");
    process_words(text, comm_of(graph, pid), pid);
}

static bool is_terminal(const struct chain_link *link)
{
    uint64_t inode;
    return link->wait == WAIT_WRITE && parse_link(link->object, &inode) == LINK_TTY;
}

static void call_object_words(const struct wait_graph *graph, const struct chain_link *link,
                              struct text_buffer *text)
{
    uint64_t inode;
    struct inet_socket socket;
    text_string(text, link->waits_in[0] != '\0' ? link->waits_in : "a call that may not be read");
    if (is_terminal(link)) {
        text_string(text, " (");
        text_string(text, link->object);
        text_char(text, ')');
        terminal_words(graph, link, text);
    } else if (parse_link(link->object, &inode) == LINK_SOCKET &&
               inet_socket_read(link->pid, inode, &socket) == 0) {
        text_string(text, " (");
        text_string(text, socket.local);
        text_string(text, socket.connected ? " to " : "");
        text_string(text, socket.remote);
        text_char(text, ')');
    } else if (link->object[0] != '\0' && link->wait != WAIT_CHILD && link->wait != WAIT_EPOLL) {
        text_string(text, " (");
        object_words(text, link);
        text_char(text, ')');
    }
}

static void away_words(const struct wait_graph *graph, const struct wait_finding *finding,
                       struct text_buffer *text)
{
    const struct chain_link *writer = &finding->chain[0];
    const struct chain_link *keeper = finding->count > 1 ? &finding->chain[1] : NULL;
    text_string(text, " (fd ");
    text_signed(text, writer->peer_fd);
    text_string(text, "), and does not: ");
    if (!keeper)
        text_string(text, "no thread of it reads it");
    else if (keeper->wait == WAIT_NONE)
        text_string(text, "it is computing");
    else {
        text_string(text, "it waits in ");
        call_object_words(graph, keeper, text);
    }
    if (finding->away_epoll >= 0) {
        text_string(text, ", away from its event loop (epoll fd ");
        text_signed(text, finding->away_epoll);
        text_string(text, "), which watches it");
    } else if (keeper && keeper->wait == WAIT_EPOLL) {
        text_string(text, ", where it does not listen to it");
    }
}

static void stuck_words(const struct wait_graph *graph, const struct wait_finding *finding,
                        struct text_buffer *text)
{
    const struct chain_link *writer = &finding->chain[0];
    process_words(text, writer->comm, writer->pid);
    text_char(text, ' ');
    write_words(text, writer);
    text_string(text, "; ");
    if (finding->kind == FINDING_NO_READER) {
        text_string(text, "no process that can be seen holds its reading end");
        if (graph->unreadable > 0) {
            text_string(text, " (");
            text_unsigned(text, graph->unreadable);
            text_string(text, " may not be read)");
        }
        return;
    }
    if (finding->kind == FINDING_SELF_READER) {
        text_string(text, "only it itself holds the reading end (fd ");
        text_signed(text, writer->peer_fd);
        text_string(text, "), and no thread of it reads");
        return;
    }
    text_string(text, "only ");
    process_words(text, comm_of(graph, writer->for_pid), writer->for_pid);
    text_string(text, " can read it");
    if (finding->kind == FINDING_READER_AWAY) {
        away_words(graph, finding, text);
        return;
    }
    int tracer = tracer_of(writer->for_pid);
    text_string(text, tracer ? ", which is stopped by its tracer " : ", which is stopped");
    if (tracer)
        process_words(text, comm_of(graph, tracer), tracer);
    else
        text_string(text, " (SIGSTOP or Ctrl-Z)");
}

static void endless_words(const struct wait_graph *graph, const struct wait_finding *finding,
                          struct text_buffer *text)
{
    const struct chain_link *reader = &finding->chain[0];
    process_words(text, reader->comm, reader->pid);
    text_string(text, " waits in ");
    text_string(text, reader->waits_in);
    text_string(text, " for the end of ");
    object_words(text, reader);
    if (reader->for_pid == reader->pid) {
        text_string(text, ", which cannot come: it holds the writing end itself (fd ");
        text_signed(text, reader->peer_fd);
    } else {
        text_string(text, ", which does not come: who wrote it is gone, but ");
        process_words(text, comm_of(graph, reader->for_pid), reader->for_pid);
        text_string(text, " still holds the writing end (");
        end_words(text, reader->peer_fd);
    }
    text_char(text, ')');
}

/* What kinds of wait a deadlock is made of. */
struct pattern {
    const struct chain_link *write, *input, *child, *lock;
    unsigned writes;
};

static struct pattern pattern_of(const struct wait_finding *finding)
{
    struct pattern pattern = {0};
    for (unsigned i = 0; i < finding->count; i++) {
        const struct chain_link *link = &finding->chain[i];
        if (link->reason == REASON_ROOM) {
            pattern.writes++;
            pattern.write = pattern.write ? pattern.write : link;
        } else if (link->reason == REASON_INPUT) {
            pattern.input = link;
        } else if (link->reason == REASON_CHILD) {
            pattern.child = link;
        } else if (link->reason == REASON_LOCK) {
            pattern.lock = link;
        }
    }
    return pattern;
}

/* Does this link wait for what that process does? */
static bool waits_for(const struct chain_link *link, const struct chain_link *other)
{
    return link && other && link->for_pid == other->pid;
}

static void drain_advice(const struct wait_graph *graph, const struct pattern *pattern,
                         struct text_buffer *text)
{
    const struct chain_link *write = pattern->write;
    const char *reader = comm_of(graph, write->for_pid);
    text_string(text, "drain ");
    text_string(text, write->comm);
    text_string(text, "'s ");
    end_words(text, write->own_fd);
    text_string(text, " in parallel: let ");
    process_words(text, reader, write->for_pid);
    text_string(text, " read fd ");
    text_signed(text, write->peer_fd);
    text_string(text, " in a thread or its event loop (communicate()) while it reads the rest, or "
                      "send that output to a file or /dev/null");
}

static void deadlock_advice(const struct wait_graph *graph, const struct wait_finding *finding,
                            struct text_buffer *text)
{
    struct pattern pattern = pattern_of(finding);
    if (pattern.lock) {
        text_string(text, "release the lock on ");
        object_words(text, pattern.lock);
        text_string(text, " before waiting for a process that needs it");
    } else if (waits_for(pattern.child, pattern.write)) {
        text_string(text, "do not wait before reading: let ");
        process_words(text, pattern.child->comm, pattern.child->pid);
        text_string(text, " close or drain the read end (fd ");
        text_signed(text, pattern.write->peer_fd);
        text_string(text, ") before wait, or read it to its end first (communicate())");
    } else if (waits_for(pattern.child, pattern.input)) {
        text_string(text, "close the write end (fd ");
        text_signed(text, pattern.input->peer_fd);
        text_string(text, ") in ");
        process_words(text, pattern.child->comm, pattern.child->pid);
        text_string(text, " before it waits: its child reads until the end of file");
    } else if (pattern.writes > 1 && !pattern.input) {
        text_string(text, "each side writes more than a pipeful before it reads: read while "
                          "writing (a thread, poll or an event loop), or drain in parallel");
    } else if (pattern.write && pattern.write->for_pid == pattern.write->pid) {
        text_string(text, "a process cannot write more than a pipeful to itself: read the pipe in "
                          "another thread, or use a file");
    } else if (pattern.write) {
        drain_advice(graph, &pattern, text);
    } else {
        text_string(text, "each waits for the other to write first: flush what was written before "
                          "reading, or close the write end");
    }
}

static void away_advice(const struct wait_finding *finding, struct text_buffer *text)
{
    const struct chain_link *keeper = finding->count > 1 ? &finding->chain[1] : NULL;
    if (keeper && is_terminal(keeper)) {
        text_string(text, "let the terminal go on (Ctrl-Q), or read its other side");
    } else if (keeper && finding->away_epoll >= 0) {
        text_string(text, "take this call off the event loop of ");
        process_words(text, keeper->comm, keeper->pid);
        text_string(text, " (a thread, an asynchronous client, a timeout)");
    } else if (keeper && keeper->tid == keeper->pid &&
               (keeper->wait == WAIT_POLL || keeper->wait == WAIT_SELECT ||
                keeper->wait == WAIT_CONNECT)) {
        text_string(text, "read fd ");
        text_signed(text, finding->chain[0].peer_fd);
        text_string(text, " of ");
        process_words(text, keeper->comm, keeper->pid);
        text_string(text, " while that call lasts: give the call to a thread or an asynchronous "
                          "client");
    } else {
        text_string(text, "close or drain the read end (fd ");
        text_signed(text, finding->chain[0].peer_fd);
        text_string(text, " of ");
        text_signed(text, finding->chain[0].for_pid);
        text_string(text, ") before wait; read it in parallel with whatever else is waited for");
    }
}

static void advice_words(const struct wait_graph *graph, const struct wait_finding *finding,
                         struct text_buffer *text)
{
    switch (finding->kind) {
    case FINDING_DEADLOCK:
        deadlock_advice(graph, finding, text);
        break;
    case FINDING_SELF_READER:
        text_string(text, "a process cannot write more than a pipeful to itself: read the pipe in "
                          "another thread, or use a file");
        break;
    case FINDING_NO_READER:
        text_string(text, "find who inherited the reading end; close it where it is not read");
        break;
    case FINDING_READER_STOPPED:
        if (tracer_of(finding->chain[0].for_pid)) {
            text_string(text, "let the tracer go on or detach from ");
        } else {
            text_string(text, "continue it: kill -CONT ");
        }
        text_signed(text, finding->chain[0].for_pid);
        break;
    case FINDING_READER_AWAY:
        away_advice(finding, text);
        break;
    case FINDING_EOF_NEVER:
        if (finding->chain[0].for_pid == finding->chain[0].pid)
            text_string(text, "close the writing end in the reader after the fork");
        else
            text_string(text, "start what outlives the child with its output elsewhere "
                              "(>/dev/null, close_fds), or stop it, or do not read until the end "
                              "of file after the child is gone");
        break;
    }
}

void finding_describe(const struct wait_graph *graph, struct wait_finding *finding)
{
    struct text_buffer text;
    text_init(&text, finding->words, sizeof finding->words);
    if (finding->kind == FINDING_DEADLOCK)
        deadlock_words(graph, finding, &text);
    else if (finding->kind == FINDING_EOF_NEVER)
        endless_words(graph, finding, &text);
    else
        stuck_words(graph, finding, &text);
    text_init(&text, finding->advice, sizeof finding->advice);
    advice_words(graph, finding, &text);
}
