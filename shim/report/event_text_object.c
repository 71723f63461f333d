// SPDX-License-Identifier: MIT
/* What a call waits on, for a person: the pipe's fill, who holds its other end, the child, the
 * server. */
#include <string.h>

#include "base/utf8.h"
#include "report/event_text_parts.h"

void event_text_fill(struct text_buffer *text, const struct pipe_facts *pipe)
{
    if (pipe->full != UNKNOWN_NUMBER)
        text_string(text, pipe->full ? ": full" : ": not full now");
    else
        text_char(text, ':');
    if (pipe->used != UNKNOWN_NUMBER) {
        text_char(text, ' ');
        text_signed(text, pipe->used);
        if (pipe->capacity != UNKNOWN_NUMBER) {
            text_string(text, " of ");
            text_signed(text, pipe->capacity);
        }
        text_string(text, " bytes");
    }
    if (pipe->slots_used != UNKNOWN_NUMBER && pipe->slots != UNKNOWN_NUMBER) {
        text_string(text, ", ");
        text_signed(text, pipe->slots_used);
        text_char(text, '/');
        text_signed(text, pipe->slots);
        text_string(text, " slots");
    }
    if (pipe->full == 1 && pipe->capacity > 0 && pipe->capacity <= SMALL_PIPE)
        text_string(text, SMALL_PIPE_WORDS);
}

/* Any of them may hold what nobody else is seen to hold; that one does is no more than a guess. */
static void unread(struct text_buffer *text, const struct unread_count *count, int pid)
{
    unsigned all = count->other_users + count->is_protected;
    if (all == 0)
        return;
    text_format(text, "; %u may not be read (", all);
    if (count->is_protected == 0)
        text_string(text, all == 1 ? "another user's" : "of other users");
    else if (count->other_users == 0)
        text_string(text, "not dumpable, or of more rights");
    else
        text_format(text, "%u of other users, %u not dumpable or of more rights",
                    count->other_users, count->is_protected);
    text_format(text, "; root may, with CAP_SYS_PTRACE: pipeshim diagnose %d)", pid);
}

/* What is known of its call, and why no more. */
static void peer_call(struct text_buffer *text, const struct peer_facts *peer)
{
    if (peer->waits_in[0]) {
        text_string(text, ", which waits in ");
        text_printable(text, peer->waits_in);
    }
    if (peer->unread == UNREAD_OTHER_USER)
        text_string(text, ", whose call may not be read (another user's)");
    else if (peer->unread == UNREAD_PROTECTED)
        text_string(text, ", whose call may not be read (not dumpable, of more rights, or Yama's "
                          "kernel.yama.ptrace_scope)");
}

void event_text_peers(struct text_buffer *text, const struct event *event,
                      const struct pipe_facts *pipe)
{
    bool writes = strcmp(pipe->role, "writer") == 0;
    if (!pipe->peers_known)
        return;
    if (pipe->peer_count == 0) {
        text_string(text, writes ? "  no process that can be seen holds its read end"
                                 : "  no process that can be seen holds its write end");
        unread(text, &pipe->unread, event->head.pid);
        text_char(text, '\n');
        return;
    }
    for (unsigned i = 0; i < pipe->peer_count && i < PEER_LIMIT; i++) {
        const struct peer_facts *peer = &pipe->peers[i];
        text_string(text, writes ? "  its reader: " : "  its writer: ");
        text_printable(text, peer_name(peer));
        text_char(text, '[');
        text_signed(text, peer->pid);
        text_char(text, ']');
        if (peer->fd != UNKNOWN_NUMBER) {
            text_string(text, " fd ");
            text_signed(text, peer->fd);
        }
        peer_call(text, peer);
        if (writes && peer_runs(peer))
            text_string(text, ", which runs: if it reads, then more slowly than this writes");
        text_char(text, '\n');
    }
    if (pipe->peer_count > PEER_LIMIT) {
        text_string(text, "  and ");
        text_unsigned(text, pipe->peer_count - PEER_LIMIT);
        text_string(text, " more\n");
    }
}

void event_text_other_process(struct text_buffer *text, const struct object_facts *object, int pid)
{
    const struct peer_facts *child = &object->child;
    if (child->pid) {
        text_string(text, "  waits for ");
        text_printable(text, peer_name(child));
        text_char(text, '[');
        text_signed(text, child->pid);
        text_char(text, ']');
        peer_call(text, child);
        text_char(text, '\n');
    }
    if (object->kind == OBJECT_SOCKET && object->socket.remote[0]) {
        text_string(text, "  connected to ");
        text_printable(text, object->socket.remote);
        if (object->socket.peer_pid != UNKNOWN_NUMBER) {
            text_string(text, ", which is ");
            text_printable(text,
                           object->socket.peer_name[0] ? object->socket.peer_name : "process");
            text_char(text, '[');
            text_signed(text, object->socket.peer_pid);
            text_char(text, ']');
        } else if (object->socket.unread.other_users + object->socket.unread.is_protected > 0) {
            text_string(text, ", which no process that can be seen holds");
            unread(text, &object->socket.unread, pid);
        }
        text_char(text, '\n');
    }
}
