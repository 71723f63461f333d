// SPDX-License-Identifier: MIT
#include "watch/wait_object.h"

#include <string.h>

#include "kernel/child_wait.h"
#include "kernel/object_reader.h"
#include "process/life.h"
#include "watch/kernel_wait.h"
#include "watch/known_peers.h"
#include "watch/readiness_set.h"

static bool is_pipe(const struct object_facts *object)
{
    return object->kind == OBJECT_PIPE || object->kind == OBJECT_FIFO ||
           object->kind == OBJECT_SOCKETPAIR;
}

static enum call_class class_by_object(enum call_class class, const struct object_facts *object)
{
    if (class != CLASS_PIPE_WRITE && class != CLASS_PIPE_READ)
        return class;
    bool writes = class == CLASS_PIPE_WRITE;
    switch (object->kind) {
    case OBJECT_SOCKET:
        return writes ? CLASS_SOCKET_WRITE : CLASS_SOCKET_READ;
    case OBJECT_FILE:
        return CLASS_FILE;
    case OBJECT_TTY:
    case OBJECT_OTHER:
        return CLASS_OTHER;
    default:
        return class;
    }
}

static void read_child(const struct task_call *call, uint64_t detail, struct incident *incident)
{
    int pid = (int)(int64_t)detail;
    if (call->status == TASK_IN_CALL) { /* libc's own wait inside system() knows the pid */
        struct kernel_wait wait = kernel_wait_of(call);
        if (wait.class == CLASS_CHILD)
            pid = (int)(int64_t)wait.detail;
    }
    if (pid <= 0)
        pid = child_first(incident->tid);
    if (pid > 0)
        peer_facts_of_process(pid, &incident->object.child);
}

static void read_text(const struct memory_reader *memory, uint64_t address, enum object_kind kind,
                      struct incident *incident)
{
    if (address != 0 &&
        memory_read_string(memory, address, incident->object.name, sizeof incident->object.name))
        incident->object.kind = kind;
}

void wait_object_read(const struct memory_reader *memory, const struct task_call *call,
                      uint64_t detail, unsigned access, struct incident *incident)
{
    struct readiness_set set;
    memset(&incident->object, 0, sizeof incident->object);
    incident->object.socket.peer_pid = UNKNOWN_NUMBER;
    switch (incident->class) {
    case CLASS_POLL:
        if (call->status != TASK_IN_CALL)
            return;
        set = readiness_set_read(memory, call);
        readiness_set_explain(&set, access, incident);
        return;
    case CLASS_CHILD:
        read_child(call, detail, incident);
        return;
    case CLASS_DNS:
        read_text(memory, detail, OBJECT_HOST, incident);
        return;
    case CLASS_FILE:
        if (incident->fd < 0)
            read_text(memory, detail, OBJECT_FILE, incident);
        break;
    default:
        break;
    }
    if (incident->fd >= 0)
        object_facts_of_fd(atomic_load(&life->pid), incident->fd,
                           incident->class == CLASS_PIPE_WRITE ? ROLE_WRITER : ROLE_READER, access,
                           &incident->object);
    incident->class = class_by_object(incident->class, &incident->object);
}

static enum object_role role_of(const struct object_facts *object)
{
    const char *role = object->pipe.role;
    return role && strcmp(role, "writer") == 0 ? ROLE_WRITER : ROLE_READER;
}

bool wait_object_peers_known(const struct incident *incident)
{
    return is_pipe(&incident->object) &&
           known_peers_has(role_of(&incident->object), &incident->object);
}

void wait_object_find_peers(unsigned access, struct incident *incident)
{
    if (is_pipe(&incident->object))
        known_peers_find(role_of(&incident->object), access, &incident->object);
    else if (incident->object.kind == OBJECT_SOCKET)
        object_facts_of_fd(atomic_load(&life->pid), incident->fd, ROLE_UNKNOWN,
                           access | ACCESS_PEERS, &incident->object);
}
