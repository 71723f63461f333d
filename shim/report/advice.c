// SPDX-License-Identifier: MIT
#include "report/event.h"

#include <string.h>

static const char class_names[CLASS_COUNT][16] = {
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

const char *event_cause_name(unsigned cause)
{
    return cause == CAUSE_STARVED ? "starved" : event_class_name((enum call_class)cause);
}

bool event_waits_for_condition(const struct incident *incident)
{
    static const char jvm[] = "/libjvm.so";
    if (incident->class != CLASS_LOCK || incident->lock_owner_tid)
        return false;
    if (strncmp(incident->call, "pthread_cond", strlen("pthread_cond")) == 0)
        return true;
    for (unsigned i = 0; i < incident->frame_count; i++) {
        const char *module = incident->frames[i].module;
        size_t length = strlen(module);
        if (length >= strlen(jvm) && strcmp(module + length - strlen(jvm), jvm) == 0)
            return true;
    }
    return false;
}

/* What an event loop does instead of blocking. */
static const char *advice_for_loop(const struct incident *incident)
{
    switch (incident->class) {
    case CLASS_PIPE_READ:
        return "do not read a pipe on the event loop: give it to a reader task or a thread";
    case CLASS_SOCKET_READ:
    case CLASS_SOCKET_WRITE:
    case CLASS_CONNECT:
        return "do not call the network synchronously on the event loop: use an asynchronous "
               "client, or run the call in a thread (asyncio.to_thread)";
    case CLASS_DNS:
        return "resolve names asynchronously (loop.getaddrinfo, dns.lookup, c-ares)";
    case CLASS_CHILD:
        return "do not wait for a child on the event loop: await it (asyncio.create_subprocess, "
               "child_process.execFile) or be told by SIGCHLD or a pidfd";
    case CLASS_SLEEP:
        return "do not sleep on the event loop: use its timers (await asyncio.sleep, setTimeout)";
    case CLASS_LOCK:
        if (event_waits_for_condition(incident))
            return "do not wait for a condition on the event loop (in Java: sleep, wait, waitFor): "
                   "be called when it holds, or wait for it in a thread";
        return "do not wait for a lock on the event loop: another thread or process holds it; take "
               "it in a thread, or use an asynchronous lock";
    case CLASS_FILE:
        return "files have no readiness: give slow file work to a thread";
    default:
        return "do not block on the event loop: await it, or give it to a thread";
    }
}

const char *event_advice(const struct incident *incident)
{
    if (incident->class == CLASS_LOCK && incident->lock_owner_tid)
        return "free the thread that holds the FILE: it is stuck in a write to a full pipe";
    if (incident->class != CLASS_PIPE_WRITE)
        return incident->loop ? advice_for_loop(incident) : NULL;
    if (incident->fd == 2)
        return "whoever started this program must read its stderr while it runs (a reader task or "
               "thread), or send it to a file or /dev/null";
    if (incident->fd == 1)
        return "whoever reads this program's stdout must go on reading while it does anything else";
    return "the process at the other end must read in parallel with what it waits for";
}

bool event_drainer_cures(const struct incident *incident)
{
    enum object_kind kind = incident->object.kind;
    return incident->class == CLASS_PIPE_WRITE && incident->fd >= 0 && !incident->lock_owner_tid &&
           (kind == OBJECT_PIPE || kind == OBJECT_FIFO || kind == OBJECT_SOCKETPAIR) &&
           incident->object.pipe.full == 1;
}

void event_cure_option(int fd, struct text_buffer *text)
{
    text_string(text, "PIPESHIM_DRAIN=");
    if (fd == 1 || fd == 2)
        text_string(text, fd == 1 ? "stdout" : "stderr");
    else
        text_signed(text, fd);
}

void event_cure_now(int pid, int fd, struct text_buffer *text)
{
    text_format(text, "pipeshim rescue %d --fd %d", pid, fd);
}

const char *event_advice_filling(void)
{
    return "the process at the other end does not read the pipe, or not fast enough: let it read "
           "in parallel with whatever else it does";
}

static const char *lag_fix(unsigned cause, const struct incident *incident)
{
    switch (cause) {
    case CLASS_CPU:
        return "give long computations to a thread or process, or cut them into pieces";
    case CAUSE_STARVED:
        return "the thread is ready and gets no CPU: too many runnable threads, or the cgroup's "
               "cpu.max throttles it";
    case CLASS_LOCK:
        if (event_waits_for_condition(incident))
            return "the loop waits for a condition (in Java: sleep, wait, waitFor): wait for it in "
                   "a thread";
        return "another thread holds what the loop waits for (in Python also the GIL)";
    default:
        return "do not block on the event loop: await it, or give it to a thread";
    }
}

unsigned event_lag_fixes(const struct lag_facts *facts, const struct incident *incident,
                         const char *fixes[LAG_FIXES_LIMIT])
{
    enum { GOOD_PART = 4 };
    unsigned count = 0;
    fixes[count++] = lag_fix(facts->cause, incident);
    for (unsigned cause = 0; cause < CAUSE_COUNT && count < LAG_FIXES_LIMIT; cause++) {
        const char *fix = lag_fix(cause, incident);
        if (facts->share_ns[cause] != 0 && facts->share_ns[cause] >= facts->lag_ns / GOOD_PART &&
            fix != fixes[0] && fix != fixes[count - 1])
            fixes[count++] = fix;
    }
    return count;
}
