// SPDX-License-Identifier: MIT
#include "watch/drain_name.h"

#include <string.h>

#include "base/text_buffer.h"
#include "kernel/object_reader.h"
#include "process/life.h"
#include "watch/context.h"

static bool is_its_pipe(struct stream *stream, int pid, int fd, struct object_facts *object)
{
    return object_facts_of_fd(pid, fd, ROLE_WRITER, context_permitted_access() | ACCESS_PEERS,
                              object) == 0 &&
           object->pipe.inode == atomic_load(&stream->inode);
}

void drain_name_by_number(struct stream *stream, struct object_facts *object)
{
    struct text_buffer name;
    memset(object, 0, sizeof *object);
    text_init(&name, object->name, sizeof object->name);
    text_string(&name, "inode ");
    text_unsigned(&name, atomic_load(&stream->inode));
}

void drain_name_with_peers(struct stream *stream, struct object_facts *object)
{
    int fd = atomic_load(&stream->fd);
    if (!is_its_pipe(stream, atomic_load(&life->pid), fd, object) &&
        !is_its_pipe(stream, atomic_load(&stream->helper), 0, object))
        drain_name_by_number(stream, object);
}
