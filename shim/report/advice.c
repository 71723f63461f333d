// SPDX-License-Identifier: MIT
#include "report/event.h"

static const char *const class_names[CLASS_COUNT] = {
    [CLASS_PIPE_WRITE] = "pipe_write",
    [CLASS_PIPE_READ] = "pipe_read",
    [CLASS_SOCKET_WRITE] = "socket_write",
    [CLASS_SOCKET_READ] = "socket_read",
    [CLASS_CONNECT] = "connect",
    [CLASS_ACCEPT] = "accept",
    [CLASS_DNS] = "dns",
    [CLASS_POLL] = "poll",
    [CLASS_CHILD] = "child",
    [CLASS_SLEEP] = "sleep",
    [CLASS_FILE] = "file",
    [CLASS_LOCK] = "lock",
    [CLASS_CPU] = "cpu",
    [CLASS_OTHER] = "other",
};

const char *event_class_name(enum call_class class)
{
    return (unsigned)class < CLASS_COUNT ? class_names[class] : class_names[CLASS_OTHER];
}

const char *event_advice(const struct story *story)
{
    if (story->class == CLASS_LOCK && story->behind_tid)
        return "free the thread that holds the FILE: it is stuck in a write to a full pipe";
    if (story->class == CLASS_PIPE_READ)
        return "do not read a pipe on the event loop: give it to a reader task or a thread";
    if (story->class != CLASS_PIPE_WRITE)
        return story->loop ? "do not block on the event loop: await it, or give it to a thread"
                           : NULL;
    if (story->fd == 2)
        return "whoever started this program must read its stderr while it runs (a reader task or "
               "thread), or send it to a file or /dev/null";
    if (story->fd == 1)
        return "whoever reads this program's stdout must go on reading while it does anything else";
    return "the process at the other end must read in parallel with what it waits for";
}
