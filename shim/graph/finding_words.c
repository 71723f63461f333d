// SPDX-License-Identifier: MIT
/* The sentence of a finding: who waits for whom, on what, and why that does not end. */
#include <string.h>

#include "base/text_buffer.h"
#include "graph/finding.h"
#include "graph/finding_words.h"
#include "kernel/borrowed_fd.h"
#include "kernel/object_reader.h"
#include "kernel/proc_reader.h"
#include "kernel/process_name.h"
#include "kernel/socket_peers.h"
#include "kernel/status.h"

void finding_process_words(struct text_buffer *text, const char *name, int pid)
{
    text_format(text, "%s (%d)", name[0] != '\0' ? name : "process", pid);
}

void finding_end_words(struct text_buffer *text, int fd)
{
    static const char *const names[] = {"stdin", "stdout", "stderr"};
    if (fd >= 0 && fd < 3) {
        text_string(text, names[fd]);
    } else {
        text_format(text, "fd %d", fd);
    }
}

/* "pipe 81723", "socket 99", a FIFO's path. */
void finding_object_words(struct text_buffer *text, const struct chain_link *link)
{
    uint64_t inode;
    switch (parse_link(link->object, &inode)) {
    case LINK_PIPE:
        text_format(text, "pipe %lu", inode);
        break;
    case LINK_SOCKET:
        text_format(text, "socket %lu", inode);
        break;
    default:
        text_string(text, link->object);
    }
}

/* The call alone: "read" of "read fd 5". */
static void call_words(struct text_buffer *text, const struct chain_link *link)
{
    const char *end = strstr(link->waits_in, " fd ");
    if (link->wait == WAIT_CHILD || link->wait == WAIT_POLL)
        end = strchr(link->waits_in, ' ');
    text_bytes(text, link->waits_in, end ? (size_t)(end - link->waits_in) : strlen(link->waits_in));
}

void finding_other_process_words(const struct wait_graph *graph, int pid, struct text_buffer *text)
{
    char name[PROCESS_NAME_LIMIT];
    uint32_t process = wait_graph_process(graph, pid);
    process_name(pid, process == NO_INDEX ? "" : graph->processes[process].comm, name);
    finding_process_words(text, name, pid);
}

static void fill_words(struct text_buffer *text, const struct chain_link *link)
{
    text_string(text, link->full == 0 ? ": " : ": full");
    if (link->used < 0)
        return;
    text_format(text, "%s%ld", link->full == 0 ? "" : ", ", link->used);
    if (link->capacity >= 0) {
        text_format(text, " of %ld", link->capacity);
    } else {
        text_string(text, " unread");
    }
    text_string(text, " bytes");
    if (link->capacity > 0 && link->capacity <= SMALL_PIPE)
        text_string(text, SMALL_PIPE_WORDS);
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
    finding_object_words(text, link);
    text_string(text, " (its ");
    finding_end_words(text, link->own_fd);
    text_char(text, ')');
    fill_words(text, link);
}

/* "127.0.0.1:33538 to 127.0.0.1:18111"; false: it is no such socket. */
static bool addresses_words(struct text_buffer *text, const struct chain_link *link)
{
    uint64_t inode;
    struct inet_socket socket;
    if (parse_link(link->object, &inode) != LINK_SOCKET ||
        inet_socket_read(link->pid, inode, &socket) != 0)
        return false;
    text_format(text, " (%s%s%s)", socket.local, socket.connected ? " to " : "", socket.remote);
    return true;
}

/* Whose data is waited for: named by the writer's descriptor, "engine's stdout". */
static void input_words(struct text_buffer *text, const struct chain_link *link)
{
    if (link->for_close) {
        text_format(text, "%s to close its ", link->for_name);
    } else {
        text_format(text, "%s's ", link->for_name);
    }
    finding_end_words(text, link->peer_fd);
    addresses_words(text, link);
}

static void predicate(struct text_buffer *text, const struct chain_link *link, bool named_before)
{
    const char *other = link->for_name;
    if (link->reason == REASON_SPACE) {
        write_words(text, link);
        text_string(text, link->for_pid == link->pid ? "; only it itself can read it" : "; only ");
        if (link->for_pid == link->pid)
            return;
        finding_process_words(text, other, link->for_pid);
        text_string(text, " can read it");
        return;
    }
    text_string(text, "waits in ");
    call_words(text, link);
    if (link->reason == REASON_SIGNAL) {
        text_string(text, ", where nothing but the end of ");
        finding_process_words(text, other, link->for_pid);
        text_string(text, " would wake it");
        return;
    }
    text_string(text, " for ");
    if (link->reason == REASON_INPUT) {
        input_words(text, link);
    } else if (link->reason == REASON_LOCK) {
        text_string(text, "the lock on ");
        finding_object_words(text, link);
        text_string(text, " that ");
        finding_process_words(text, other, link->for_pid);
        text_string(text, " holds");
    } else {
        if (named_before)
            text_string(text, other);
        else
            finding_process_words(text, other, link->for_pid);
        text_string(text, " to exit");
    }
}

void finding_wait_words(struct text_buffer *text, const struct chain_link *link)
{
    predicate(text, link, false);
}

static void seconds_words(struct text_buffer *text, int64_t milliseconds)
{
    text_format(text, "%ld.%ld s", milliseconds / 1000, milliseconds % 1000 / 100);
}

static void deadlock_words(const struct wait_finding *finding, struct text_buffer *text)
{
    finding_process_words(text, finding->chain[0].name, finding->chain[0].pid);
    text_char(text, ' ');
    for (unsigned i = 0; i < finding->count; i++) {
        if (i > 0)
            text_string(text, ", which ");
        predicate(text, &finding->chain[i], i + 1 == finding->count);
    }
    if (finding->likely)
        text_string(text, "; likely, not proven: what else could end it cannot be seen");
    if (finding->timed) {
        text_string(text, "; nothing moves until a timeout of ");
        seconds_words(text, finding->limit_ms);
        text_string(text, " ends");
    }
}

static bool is_terminal(const struct chain_link *link)
{
    uint64_t inode;
    return link->wait == WAIT_WRITE && parse_link(link->object, &inode) == LINK_TTY;
}

void finding_call_words(const struct wait_graph *graph, const struct chain_link *link,
                        struct text_buffer *text)
{
    text_string(text, link->waits_in[0] != '\0' ? link->waits_in : "a call that may not be read");
    if (is_terminal(link)) {
        text_format(text, " (%s)", link->object);
        finding_terminal_words(graph, link, text);
    } else if (!addresses_words(text, link) && link->object[0] != '\0' &&
               link->wait != WAIT_CHILD && link->wait != WAIT_EPOLL) {
        text_string(text, " (");
        finding_object_words(text, link);
        text_char(text, ')');
    }
}

/* "only bash (8555) and sleep (8556) can read it": who inherited the reading end could as well. */
static void readers_words(const struct wait_graph *graph, const struct wait_finding *finding,
                          struct text_buffer *text)
{
    text_string(text, "only ");
    finding_process_words(text, finding->chain[0].for_name, finding->chain[0].for_pid);
    if (finding->other_readers == 1) {
        text_string(text, " and ");
        finding_other_process_words(graph, finding->other_reader, text);
    } else if (finding->other_readers > 1) {
        text_format(text, " and %u more", finding->other_readers);
    }
    text_string(text, " can read it");
}

static void away_words(const struct wait_graph *graph, const struct wait_finding *finding,
                       struct text_buffer *text)
{
    const struct chain_link *writer = &finding->chain[0];
    const struct chain_link *holder = finding->count > 1 ? &finding->chain[1] : NULL;
    const char *it = finding->other_readers > 0 ? writer->for_name : "it";
    if (finding->other_readers == 0)
        text_format(text, " (fd %d), and does not: ", writer->peer_fd);
    else
        text_string(text,
                    finding->other_readers == 1 ? ", and neither does: " : ", and none does: ");
    if (!holder) {
        text_format(text, "no thread of %s reads it", it);
    } else if (holder->wait == WAIT_NONE) {
        text_format(text, "%s is computing", it);
    } else {
        text_format(text, "%s waits in ", it);
        finding_call_words(graph, holder, text);
    }
    if (finding->away_epoll >= 0) {
        text_format(text, ", away from its event loop (epoll fd %d), which watches it",
                    finding->away_epoll);
    } else if (holder && holder->wait == WAIT_EPOLL) {
        text_string(text, ", where it does not listen to it");
    }
}

static void stuck_words(const struct wait_graph *graph, const struct wait_finding *finding,
                        struct text_buffer *text)
{
    const struct chain_link *writer = &finding->chain[0];
    finding_process_words(text, writer->name, writer->pid);
    text_char(text, ' ');
    if (writer->wait == WAIT_OPEN) {
        text_string(text, "waits in open for a reader of the FIFO ");
        finding_object_words(text, writer);
        text_string(text, "; no process has it open for reading");
        return;
    }
    write_words(text, writer);
    text_string(text, "; ");
    if (finding->kind == FINDING_NO_READER) {
        text_string(text, "no process that can be seen holds its reading end");
        if (graph->unreadable > 0) {
            text_format(text, " (%u may not be read)", graph->unreadable);
        }
        return;
    }
    if (finding->kind == FINDING_SELF_READER) {
        text_format(text, "only it itself holds the reading end (fd %d), and no thread of it reads",
                    writer->peer_fd);
        return;
    }
    readers_words(graph, finding, text);
    if (finding->kind == FINDING_READER_AWAY) {
        away_words(graph, finding, text);
        return;
    }
    text_string(text,
                finding->tracer_pid ? ", which is stopped by its tracer " : ", which is stopped");
    if (finding->tracer_pid)
        finding_other_process_words(graph, finding->tracer_pid, text);
    else
        text_string(text, " (SIGSTOP or Ctrl-Z)");
}

static void endless_words(const struct wait_finding *finding, struct text_buffer *text)
{
    const struct chain_link *reader = &finding->chain[0];
    finding_process_words(text, reader->name, reader->pid);
    text_format(text, " waits in %s for the end of ", reader->waits_in);
    finding_object_words(text, reader);
    if (reader->for_pid == reader->pid) {
        text_format(text, ", which cannot come: it holds the writing end itself (fd %d",
                    reader->peer_fd);
    } else {
        text_string(text, ", which does not come: who wrote it is gone, but ");
        finding_process_words(text, reader->for_name, reader->for_pid);
        text_string(text, " still holds the writing end (");
        finding_end_words(text, reader->peer_fd);
    }
    text_char(text, ')');
}

static void backlog_words(const struct wait_graph *graph, const struct wait_finding *finding,
                          struct text_buffer *text)
{
    const struct chain_link *writer = &finding->chain[0];
    finding_process_words(text, writer->name, writer->pid);
    text_string(text, " goes on, and probably keeps in memory what its ");
    finding_end_words(text, writer->own_fd);
    text_string(text, " does not take: ");
    finding_object_words(text, writer);
    fill_words(text, writer);
    if (writer->for_pid == writer->pid) {
        text_string(text, "; only it itself can read it, and does not");
        return;
    }
    text_string(text, "; ");
    readers_words(graph, finding, text);
    away_words(graph, finding, text);
}

static void shared_words(const struct wait_finding *finding, struct text_buffer *text)
{
    const struct chain_link *writer = &finding->chain[0];
    finding_process_words(text, writer->name, writer->pid);
    text_string(text,
                finding->foreseen ? " is refused each write to " : " was refused a write to ");
    finding_end_words(text, writer->own_fd);
    text_string(text, finding->foreseen ? " (EAGAIN): " : " (EAGAIN, or less than it gave): ");
    finding_object_words(text, writer);
    if (finding->foreseen) {
        fill_words(text, writer);
        text_string(text, "; it is non-blocking, and this program does not wait for room in it; ");
    } else {
        text_string(text, " is non-blocking, and it was not this program that made it so; ");
    }
    if (writer->for_pid == 0) {
        text_string(text, "who did is not to be seen, or has ended");
        return;
    }
    finding_process_words(text, writer->for_name, writer->for_pid);
    text_string(text, ", which shares it (its ");
    finding_end_words(text, writer->peer_fd);
    text_string(text, finding->foreseen ? "), probably made it so"
                      : finding->likely ? "), probably did"
                                        : "), makes its own streams so, as Node does");
}

void finding_words(const struct wait_graph *graph, const struct wait_finding *finding,
                   struct text_buffer *text)
{
    if (finding->kind == FINDING_DEADLOCK)
        deadlock_words(finding, text);
    else if (finding->kind == FINDING_EOF_NEVER)
        endless_words(finding, text);
    else if (finding->kind == FINDING_BACKLOG)
        backlog_words(graph, finding, text);
    else if (finding->kind == FINDING_NONBLOCKING_SHARED)
        shared_words(finding, text);
    else
        stuck_words(graph, finding, text);
}
