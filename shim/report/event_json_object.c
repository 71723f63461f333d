// SPDX-License-Identifier: MIT
/* What a call waits for, and who is at its other end. */
#include "report/event_json_parts.h"

/* EVENTS.md has the words. */
static void unread(struct json_writer *json, const struct unread_count *count)
{
    if (count->other_users + count->is_protected == 0)
        return;
    json_put_unsigned(json, "peers_unreadable", count->other_users + count->is_protected);
    json_put_unsigned(json, "peers_unreadable_other_users", count->other_users);
}

static void peer(struct json_writer *json, const char *key, const struct peer_facts *peer)
{
    char state[2] = {peer->state, 0};
    json_open(json, key, '{');
    json_put_signed(json, "pid", peer->pid);
    json_put_string(json, "comm", peer->comm);
    if (peer->name[0])
        json_put_string(json, "name", peer->name);
    if (peer->fd != UNKNOWN_NUMBER)
        json_put_signed(json, "fd", peer->fd);
    if (peer->state)
        json_put_string(json, "state", state);
    if (peer->waits_in[0])
        json_put_string(json, "waits_in", peer->waits_in);
    if (peer->unread != UNREAD_NOT)
        json_put_string(json, "unreadable",
                        peer->unread == UNREAD_OTHER_USER ? "other_user" : "protected");
    json_close(json, '}');
}

static void known(struct json_writer *json, const char *key, int64_t number)
{
    if (number != UNKNOWN_NUMBER)
        json_put_signed(json, key, number);
}

void event_json_pipe(struct json_writer *json, const struct pipe_facts *pipe)
{
    json_open(json, "pipe", '{');
    if (pipe->inode)
        json_put_unsigned(json, "inode", pipe->inode);
    known(json, "used", pipe->used);
    known(json, "capacity", pipe->capacity);
    known(json, "slots_used", pipe->slots_used);
    known(json, "slots", pipe->slots);
    if (pipe->full != UNKNOWN_NUMBER)
        json_put_bool(json, "full", pipe->full != 0);
    json_put_string(json, "role", pipe->role);
    if (pipe->peers_known) {
        json_open(json, "peers", '[');
        for (unsigned i = 0; i < pipe->peer_count && i < PEER_LIMIT; i++)
            peer(json, NULL, &pipe->peers[i]);
        json_close(json, ']');
        unread(json, &pipe->unread);
    }
    json_close(json, '}');
}

static void socket_object(struct json_writer *json, const struct socket_facts *socket)
{
    json_open(json, "socket", '{');
    if (socket->family)
        json_put_string(json, "family", socket->family);
    if (socket->local[0])
        json_put_string(json, "local", socket->local);
    if (socket->remote[0])
        json_put_string(json, "remote", socket->remote);
    known(json, "peer_pid", socket->peer_pid);
    if (socket->peer_pid != UNKNOWN_NUMBER && socket->peer_name[0])
        json_put_string(json, "peer_name", socket->peer_name);
    unread(json, &socket->unread);
    json_close(json, '}');
}

static void named_object(struct json_writer *json, const char *kind, const char *key,
                         const char *name)
{
    json_open(json, kind, '{');
    json_put_string(json, key, name);
    json_close(json, '}');
}

void event_json_object(struct json_writer *json, const struct object_facts *facts)
{
    switch (facts->kind) {
    case OBJECT_PIPE:
    case OBJECT_FIFO:
    case OBJECT_SOCKETPAIR:
        event_json_pipe(json, &facts->pipe);
        break;
    case OBJECT_SOCKET:
        socket_object(json, &facts->socket);
        break;
    case OBJECT_FILE:
        named_object(json, "file", "path", facts->name);
        break;
    case OBJECT_HOST:
        named_object(json, "dns", "name", facts->name);
        break;
    default:
        break;
    }
    if (facts->child.pid)
        peer(json, "child", &facts->child);
}
