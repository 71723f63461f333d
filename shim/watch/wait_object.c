// SPDX-License-Identifier: MIT
#include "watch/wait_object.h"

#include <string.h>

#include "kernel/child_wait.h"
#include "kernel/object_look.h"
#include "process/life.h"
#include "watch/kernel_wait.h"
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

static void look_at_child(const struct task_call *call, uint64_t detail, struct story *story)
{
    int pid = (int)(int64_t)detail;
    if (call->status == TASK_IN_CALL) { /* libc's own wait inside system() knows the pid */
        struct kernel_wait wait = kernel_wait_of(call);
        if (wait.class == CLASS_CHILD)
            pid = (int)(int64_t)wait.detail;
    }
    if (pid <= 0)
        pid = child_first(story->tid);
    if (pid > 0)
        peer_facts_of_process(pid, &story->object.child);
}

static void look_at_text(const struct memory_reader *memory, uint64_t address,
                         enum object_kind kind, struct story *story)
{
    if (address != 0 &&
        memory_read_string(memory, address, story->object.name, sizeof story->object.name))
        story->object.kind = kind;
}

void wait_object_look(const struct memory_reader *memory, const struct task_call *call,
                      uint64_t detail, unsigned look, struct story *story)
{
    struct readiness_set set;
    memset(&story->object, 0, sizeof story->object);
    story->object.socket.peer_pid = UNKNOWN_NUMBER;
    switch (story->class) {
    case CLASS_POLL:
        if (call->status != TASK_IN_CALL)
            return;
        set = readiness_set_read(memory, call);
        readiness_set_explain(&set, look, story);
        return;
    case CLASS_CHILD:
        look_at_child(call, detail, story);
        return;
    case CLASS_DNS:
        look_at_text(memory, detail, OBJECT_HOST, story);
        return;
    case CLASS_FILE:
        if (story->fd < 0)
            look_at_text(memory, detail, OBJECT_FILE, story);
        break;
    default:
        break;
    }
    if (story->fd >= 0)
        object_facts_of_fd(atomic_load(&life->pid), story->fd,
                           story->class == CLASS_PIPE_WRITE ? ROLE_WRITER : ROLE_READER, look,
                           &story->object);
    story->class = class_by_object(story->class, &story->object);
}

void wait_object_find_peers(unsigned look, struct story *story)
{
    const char *role = story->object.pipe.role;
    if (is_pipe(&story->object))
        find_peers(role && strcmp(role, "writer") == 0 ? ROLE_WRITER : ROLE_READER, look,
                   &story->object);
    else if (story->object.kind == OBJECT_SOCKET)
        object_facts_of_fd(atomic_load(&life->pid), story->fd, ROLE_UNKNOWN, look | LOOK_PEERS,
                           &story->object);
}
