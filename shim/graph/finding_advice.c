// SPDX-License-Identifier: MIT
/* What to change, said to the one who has to change it: in the terms of the runtime that its
 * program runs in. communicate() is no advice for Node. */
#include <stddef.h>

#include "graph/finding_words.h"
#include "kernel/fd_scan.h"
#include "kernel/proc_text.h"

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
        if (link->reason == REASON_SPACE) {
            pattern.writes++;
            pattern.write = pattern.write ? pattern.write : link;
        } else if (link->reason == REASON_INPUT) {
            pattern.input = link;
        } else if (link->reason == REASON_CHILD || link->reason == REASON_SIGNAL) {
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

static const struct chain_link *link_of(const struct wait_finding *finding, int pid)
{
    for (unsigned i = 0; i < finding->count; i++) {
        if (finding->chain[i].pid == pid)
            return &finding->chain[i];
    }
    return NULL;
}

static enum process_runtime runtime_of(const struct wait_finding *finding, int pid)
{
    const struct chain_link *link = link_of(finding, pid);
    return link ? link->runtime : RUNTIME_UNKNOWN;
}

/* An event loop must not be advised to read in a call that blocks. */
static bool is_asyncio(const struct wait_finding *finding, int pid)
{
    const struct chain_link *link = link_of(finding, pid);
    return link && link->runtime == RUNTIME_PYTHON && (link->loop || link->wait == WAIT_EPOLL);
}

/* "child.stderr", as Node names what it reads of a child; "that stream" where it is no stdio. */
static const char *node_stream(const struct chain_link *write)
{
    return write->own_fd == 1   ? "child.stdout"
           : write->own_fd == 2 ? "child.stderr"
                                : "that stream";
}

/* A client: who waits at a socket reads no other stream to its end first. */
static bool waits_for_answer(const struct wait_finding *finding, int pid)
{
    const struct chain_link *link = link_of(finding, pid);
    uint64_t inode;
    return link && link->reason == REASON_INPUT && parse_link(link->object, &inode) == LINK_SOCKET;
}

/* How the reader, by its runtime, reads beside what it does: "in a thread (communicate())". */
static void in_parallel(const struct wait_finding *finding, const struct chain_link *write,
                        struct text_buffer *text)
{
    switch (runtime_of(finding, write->for_pid)) {
    case RUNTIME_NODE:
        text_format(text,
                    " all the time: %s.on('data', …) or .resume(), or stdio 'inherit' or 'ignore' "
                    "in spawn()",
                    node_stream(write));
        break;
    case RUNTIME_PYTHON:
        if (is_asyncio(finding, write->for_pid))
            text_string(text, " in a task of its own (asyncio.create_task) for as long as the "
                              "program runs, or start that program with the stream set to None "
                              "(inherited) or DEVNULL");
        else
            text_format(text,
                        " in a thread while it %s, or start that program with the stream set to "
                        "None (inherited), DEVNULL or a file",
                        waits_for_answer(finding, write->for_pid)
                            ? "waits for that answer"
                            : "reads the rest (communicate() does)");
        break;
    default:
        text_format(text,
                    " in a thread or its event loop while it %s, or send that output to a file or "
                    "/dev/null",
                    waits_for_answer(finding, write->for_pid) ? "waits for that answer"
                                                              : "reads the rest");
    }
}

static void drain_advice(const struct wait_finding *finding, const struct pattern *pattern,
                         struct text_buffer *text)
{
    const struct chain_link *write = pattern->write;
    text_format(text, "drain %s's ", write->name);
    finding_end_words(text, write->own_fd);
    text_string(text, " in parallel: let ");
    finding_process_words(text, write->for_name, write->for_pid);
    text_format(text, " read fd %d", write->peer_fd);
    in_parallel(finding, write, text);
}

static void wait_advice(const struct wait_finding *finding, const struct pattern *pattern,
                        struct text_buffer *text)
{
    const struct chain_link *child = pattern->child, *write = pattern->write;
    text_string(text, "do not wait before reading: let ");
    finding_process_words(text, child->name, child->pid);
    if (child->runtime == RUNTIME_NODE) {
        text_format(text,
                    " read %s ('data' handler or .resume()) before it waits for 'exit' or 'close'",
                    node_stream(write));
        return;
    }
    text_format(text, " close or drain the read end (fd %d) before wait", write->peer_fd);
    if (is_asyncio(finding, child->pid))
        text_string(text, ": close the pipe's transport, or await communicate()");
    else if (child->runtime == RUNTIME_PYTHON)
        text_string(text, ", or read it to its end first (communicate())");
    else
        text_string(text, ", or read it to its end first");
}

static void self_advice(struct text_buffer *text)
{
    text_string(text, "a process cannot write more than a pipeful to itself: read the pipe in "
                      "another thread, or use a file");
}

static void deadlock_advice(const struct wait_finding *finding, struct text_buffer *text)
{
    struct pattern pattern = pattern_of(finding);
    if (pattern.lock) {
        text_string(text, "release the lock on ");
        finding_object_words(text, pattern.lock);
        text_string(text, " before waiting for a process that needs it");
    } else if (waits_for(pattern.child, pattern.write)) {
        wait_advice(finding, &pattern, text);
    } else if (waits_for(pattern.child, pattern.input)) {
        text_format(text, "close the write end (fd %d) in ", pattern.input->peer_fd);
        finding_process_words(text, pattern.child->name, pattern.child->pid);
        text_string(text, " before it waits: its child reads until the end of file");
    } else if (pattern.writes > 1 && !pattern.input) {
        text_string(text, "each side writes more than a pipeful before it reads: read while "
                          "writing (a thread, poll or an event loop), or drain in parallel");
    } else if (pattern.write && pattern.write->for_pid == pattern.write->pid) {
        self_advice(text);
    } else if (pattern.write) {
        drain_advice(finding, &pattern, text);
    } else {
        text_string(text, "each waits for the other to write first: flush what was written before "
                          "reading, or close the write end");
    }
}

static bool is_terminal(const struct chain_link *link)
{
    uint64_t inode;
    return link->wait == WAIT_WRITE && parse_link(link->object, &inode) == LINK_TTY;
}

/* How a call is taken off the loop, by runtime. */
static void off_the_loop(const struct chain_link *holder, struct text_buffer *text)
{
    text_string(text, "take this call off the event loop of ");
    finding_process_words(text, holder->name, holder->pid);
    text_string(text, holder->runtime == RUNTIME_PYTHON
                          ? " (asyncio.to_thread, an asynchronous client, a timeout)"
                      : holder->runtime == RUNTIME_NODE
                          ? " (the asynchronous form of the call, a worker thread)"
                          : " (a thread, an asynchronous client, a timeout)");
}

static void away_advice(const struct wait_finding *finding, struct text_buffer *text)
{
    const struct chain_link *writer = &finding->chain[0];
    const struct chain_link *holder = finding->count > 1 ? &finding->chain[1] : NULL;
    if (holder && is_terminal(holder)) {
        text_string(text, "let the terminal go on (Ctrl-Q), or read its other side");
    } else if (holder && finding->away_epoll >= 0) {
        off_the_loop(holder, text);
    } else if (holder && holder->tid == holder->pid &&
               (holder->wait == WAIT_POLL || holder->wait == WAIT_SELECT ||
                holder->wait == WAIT_CONNECT)) {
        text_format(text, "read fd %d of ", writer->peer_fd);
        finding_process_words(text, holder->name, holder->pid);
        text_string(text, " while that call lasts: give the call to a thread or an asynchronous "
                          "client");
    } else if (holder && (holder->wait == WAIT_EPOLL || holder->wait == WAIT_READ)) {
        text_string(text, "let ");
        finding_process_words(text, holder->name, holder->pid);
        text_format(text, " read fd %d while that call lasts:", writer->peer_fd);
        in_parallel(finding, writer, text);
    } else {
        text_format(text, "close or drain the read end (fd %d) of ", writer->peer_fd);
        finding_process_words(text, writer->for_name, writer->for_pid);
        text_string(text, " before it waits; read it in parallel with whatever else is waited for");
    }
}

static void stopped_advice(const struct wait_finding *finding, struct text_buffer *text)
{
    text_format(text, "%s%d",
                finding->tracer_pid ? "let the tracer go on or detach from "
                                    : "continue it: kill -CONT ",
                finding->chain[0].for_pid);
}

/* Both sides have a part in it: one does not read, the other does not ask whether there is room. */
static void backlog_advice(const struct wait_finding *finding, struct text_buffer *text)
{
    const struct chain_link *writer = &finding->chain[0];
    text_string(text, "let ");
    finding_process_words(text, writer->for_name, writer->for_pid);
    text_format(text, " read fd %d", writer->peer_fd);
    in_parallel(finding, writer, text);
    text_format(text, "; in %s ", writer->name);
    text_string(text, writer->runtime == RUNTIME_NODE
                          ? "write no more when write() returns false, until 'drain'"
                      : writer->runtime == RUNTIME_PYTHON ? "await drain() after each write()"
                                                          : "bound what is queued for it");
}

/* A pipe that is opened anew has a description, and so flags, of its own; a socket cannot be. */
static void shared_advice(const struct wait_finding *finding, struct text_buffer *text)
{
    const struct chain_link *writer = &finding->chain[0];
    uint64_t inode;
    text_format(text, "give %s an output that it shares with nobody: start it with its output to ",
                writer->name);
    if (parse_link(writer->object, &inode) != LINK_SOCKET)
        text_format(text, "%s (opened anew, its flags are its own), or ",
                    writer->own_fd == 2 ? "2>/dev/stderr" : ">/dev/stdout");
    text_string(text, "a pipe of its own (| cat)");
    if (finding->count > 1 && finding->chain[1].runtime == RUNTIME_NODE)
        text_string(text, "; where Node starts it, not with stdio 'inherit'");
}

void finding_advice(const struct wait_finding *finding, struct text_buffer *text)
{
    switch (finding->kind) {
    case FINDING_DEADLOCK:
        deadlock_advice(finding, text);
        break;
    case FINDING_SELF_READER:
        self_advice(text);
        break;
    case FINDING_NO_READER:
        if (finding->chain[0].wait == WAIT_OPEN)
            text_string(text,
                        "start whoever reads this FIFO before it is opened for writing, or open "
                        "it with O_NONBLOCK (ENXIO then says that nobody reads), or, in a "
                        "shell, for both ways (<>)");
        else
            text_string(text, "find who inherited the reading end; close it where it is not read");
        break;
    case FINDING_READER_STOPPED:
        stopped_advice(finding, text);
        break;
    case FINDING_READER_AWAY:
        away_advice(finding, text);
        break;
    case FINDING_BACKLOG:
        backlog_advice(finding, text);
        break;
    case FINDING_NONBLOCKING_SHARED:
        shared_advice(finding, text);
        break;
    case FINDING_EOF_NEVER:
        if (finding->chain[0].for_pid == finding->chain[0].pid)
            text_string(text, "close the writing end in the reader after the fork");
        else
            text_string(text, "start what outlives the child with its output elsewhere "
                              "(>/dev/null, close_fds), or stop it, or do not read until the end "
                              "of file after the child is gone");
        break;
    case FINDING_BLOCKED: /* the tool's own words */
    case FINDING_KINDS:
        break;
    }
}

void finding_rescue(const struct wait_finding *finding, struct text_buffer *text)
{
    for (unsigned i = 0; i < finding->count && finding->kind != FINDING_NONBLOCKING_SHARED; i++) {
        const struct chain_link *link = &finding->chain[i];
        if (link->reason != REASON_SPACE || link->own_fd < 0)
            continue;
        text_format(text, "pipeshim rescue %d --fd %d", link->pid, link->own_fd);
        return;
    }
    if (finding->kind == FINDING_EOF_NEVER && finding->chain[0].for_pid != finding->chain[0].pid) {
        text_format(text, "kill %d", finding->chain[0].for_pid);
    }
}
