// SPDX-License-Identifier: MIT
#include "report/status_page.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "base/text_buffer.h"
#include "explain/user_frame.h"
#include "facts/member.h"

/* Larger than a page of memory and touched first by the watchdog: a program that makes no call that
 * could block pays nothing for it. */
/* child: kept, the page names the process that it is of */
__attribute__((visibility("default"))) struct status_page pipeshim_status;
static struct status_page *const page = &pipeshim_status;

_Static_assert((int)FINDING_KINDS <= (int)STATUS_KINDS, "a place for each kind");

const struct status_page *status_page(void)
{
    return page;
}

static void write_begin(void)
{
    __atomic_store_n(&page->sequence, page->sequence + 1, __ATOMIC_RELAXED);
    atomic_thread_fence(memory_order_release);
}

static void write_end(void)
{
    __atomic_store_n(&page->sequence, page->sequence + 1, __ATOMIC_RELEASE);
}

static void copy_text(char *to, size_t capacity, const char *from)
{
    struct text_buffer text;
    text_init(&text, to, capacity);
    text_string(&text, from);
}

void status_page_begin(int pid, uint64_t now_ns)
{
    uint64_t sequence = (page->sequence | 1) + 1; /* a child's copy may be half written */
    __atomic_store_n(&page->sequence, sequence + 1, __ATOMIC_RELAXED);
    atomic_thread_fence(memory_order_release);
    memset(page, 0, offsetof(struct status_page, sequence));
    size_t from = offsetof(struct status_page, pid);
    memset((char *)page + from, 0, sizeof *page - from);
    page->version = STATUS_VERSION;
    page->size = sizeof *page;
    page->pid = pid;
    page->begun_ns = page->scanned_ns = now_ns;
    memcpy(page->magic, STATUS_MAGIC, sizeof page->magic);
    write_end();
}

int status_page_pid(void)
{
    return page->pid;
}

static struct status_call *call_of(int tid)
{
    for (uint32_t i = 0; i < page->call_count; i++)
        if (page->calls[i].tid == tid)
            return &page->calls[i];
    return NULL;
}

/* The user's line; of a path that is too long the end tells more than the start. */
static void put_where(struct status_call *call, const struct incident *incident)
{
    static char whole[WHERE_LIMIT]; /* child: scratch */
    static const char ellipsis[] = "\xe2\x80\xa6";
    struct text_buffer text;
    text_init(&text, whole, sizeof whole);
    user_frame_words(&text, incident->python, incident->python_count, incident->javascript,
                     incident->javascript_count, incident->frames, incident->frame_count);
    size_t length = strlen(whole), keep = sizeof call->where - sizeof ellipsis;
    const char *from = whole;
    text_init(&text, call->where, sizeof call->where);
    if (length >= sizeof call->where && strchr(whole, '/')) {
        from += length - keep;
        while (((unsigned char)*from & 0xc0) == 0x80) /* not in the middle of a character */
            from++;
        text_string(&text, ellipsis);
    }
    text_string(&text, from);
}

static void fill_call(struct status_call *call, const struct incident *incident, uint64_t now_ns)
{
    const struct pipe_facts *pipe = &incident->object.pipe;
    bool piped = incident->object.kind == OBJECT_PIPE || incident->object.kind == OBJECT_FIFO ||
                 incident->object.kind == OBJECT_SOCKETPAIR;
    *call = (struct status_call){.tid = incident->tid,
                                 .fd = incident->fd,
                                 .class = incident->class,
                                 .since_ns = now_ns - incident->blocked_ns,
                                 .used = piped ? pipe->used : -1,
                                 .capacity = piped ? pipe->capacity : -1};
    if (piped && pipe->peer_count > 0) {
        call->peer_pid = pipe->peers[0].pid;
        copy_text(call->peer, sizeof call->peer, peer_name(&pipe->peers[0]));
    } else if (incident->object.child.pid != 0) {
        call->peer_pid = incident->object.child.pid;
        copy_text(call->peer, sizeof call->peer, peer_name(&incident->object.child));
    }
    copy_text(call->thread, sizeof call->thread, incident->thread);
    copy_text(call->call, sizeof call->call,
              incident->call[0]       ? incident->call
              : incident->kernel_call ? incident->kernel_call
                                      : "");
    copy_text(call->object, sizeof call->object, incident->object.name);
    put_where(call, incident);
}

void status_page_blocked(const struct incident *incident, uint64_t seq, uint64_t now_ns)
{
    write_begin();
    if (incident->class < CLASS_COUNT)
        page->classes[incident->class].blocked++;
    struct status_call *call = call_of(incident->tid);
    if (!call && page->call_count < STATUS_CALLS)
        call = &page->calls[page->call_count++];
    if (call) {
        fill_call(call, incident, now_ns);
        call->seq = seq;
        if (call->fd >= 0 && call->fd < STATUS_STREAMS && call->capacity > 0)
            page->streams[call->fd] = (struct status_stream){
                .used = incident->object.pipe.full == 1 ? call->capacity : call->used,
                .capacity = call->capacity};
    } else {
        page->calls_lost++;
    }
    write_end();
}

static unsigned bucket_of(uint64_t ns)
{
    static const unsigned ends_ms[STATUS_BUCKETS] = STATUS_BUCKET_MS;
    unsigned bucket = 0;
    while (bucket < STATUS_BUCKETS && ns > ends_ms[bucket] * (uint64_t)1000000)
        bucket++;
    return bucket;
}

/* A thread has one wait, and one finding about it. */
static void forget_finding(int tid)
{
    for (uint32_t i = 0; i < page->finding_count; i++) {
        if (page->findings[i].tid != tid)
            continue;
        page->active[page->findings[i].kind]--;
        page->finding_count--;
        memmove(&page->findings[i], &page->findings[i + 1],
                (page->finding_count - i) * sizeof page->findings[0]);
        return;
    }
}

void status_page_unblocked(int tid, uint64_t blocked_ns)
{
    struct status_call *call = call_of(tid);
    write_begin();
    if (call) {
        struct status_class *class = &page->classes[call->class];
        class->returned++;
        class->returned_ns += blocked_ns;
        class->bucket[bucket_of(blocked_ns)]++;
        *call = page->calls[--page->call_count];
    } else if (page->calls_lost > 0) {
        page->calls_lost--;
    }
    forget_finding(tid);
    write_end();
}

void status_page_lag(int tid, uint64_t seq, uint64_t since_ns)
{
    write_begin();
    page->lagging = 1;
    page->lag_tid = tid;
    page->lag_seq = seq;
    page->lag_since_ns = since_ns;
    write_end();
}

void status_page_away(const struct lag_absence *absence)
{
    write_begin();
    page->lagging = absence != NULL;
    if (absence) {
        page->lag_tid = absence->tid;
        page->lag_seq = absence->seq;
        page->lag_since_ns = absence->since_ns;
    }
    write_end();
}

void status_page_lag_end(int tid, const struct lag_facts *facts)
{
    write_begin();
    if (page->lag_tid == tid)
        page->lagging = 0;
    for (unsigned cause = 0; cause < CAUSE_COUNT; cause++)
        page->lag_cause_ns[cause] += facts->share_ns[cause];
    write_end();
}

static void fill_finding(struct status_finding *to, const struct wait_finding *finding, int tid,
                         uint64_t now_ns)
{
    *to = (struct status_finding){.tid = tid, .kind = (int32_t)finding->kind, .found_ns = now_ns};
    for (unsigned i = 0; i < finding->count && i < STATUS_MEMBERS; i++) {
        const struct chain_link *link = &finding->chain[i];
        struct status_member *member = &to->members[to->member_count++];
        member->pid = link->pid;
        member->tid = link->tid;
        member->for_pid = link->for_pid;
        copy_text(member->name, sizeof member->name, link->name[0] ? link->name : link->comm);
        copy_text(member->waits_in, sizeof member->waits_in, link->waits_in);
        copy_text(member->object, sizeof member->object, link->object);
    }
}

static void put_finding(const struct wait_finding *finding, int tid, uint64_t now_ns)
{
    if (tid != 0) {
        forget_finding(tid);
        if (page->finding_count == STATUS_FINDINGS)
            forget_finding(page->findings[0].tid);
        fill_finding(&page->findings[page->finding_count++], finding, tid, now_ns);
        page->active[finding->kind]++;
    }
    page->found_tid = tid;
    page->found_kind = (int32_t)finding->kind;
    page->found_ns = now_ns;
    copy_text(page->words, sizeof page->words, finding->words);
}

void status_page_finding(const struct wait_finding *finding, int tid, uint64_t now_ns)
{
    write_begin();
    page->found[finding->kind]++;
    put_finding(finding, tid, now_ns);
    write_end();
}

void status_page_finding_again(const struct wait_finding *finding, int tid, uint64_t now_ns)
{
    write_begin();
    put_finding(finding, tid, now_ns);
    write_end();
}

void status_page_finding_over(int tid)
{
    write_begin();
    forget_finding(tid);
    write_end();
}

static void fill_loop(struct status_loop *to, const struct loop_statistics *from)
{
    to->tid = from->tid;
    memcpy(to->thread, from->thread, sizeof to->thread);
    to->iterations = from->iterations;
    to->lags = from->lags;
    to->lag_max_ns = from->lag_max_ns;
    to->lag_total_ns = from->lag_total_ns;
    memcpy(to->lag_histogram, from->lag_histogram, sizeof to->lag_histogram);
}

void status_page_refresh(const struct summary *summary, uint64_t watchdog_cpu_ns, uint64_t now_ns)
{
    write_begin();
    page->scanned_ns = now_ns;
    page->watchdog_cpu_ns = watchdog_cpu_ns;
    if (summary) {
        page->held_back = summary->held_back;
        page->suppressed = summary->suppressed;
        page->dropped = summary->dropped;
        page->drained_bytes = summary->drain.queued_bytes;
        page->drain_peak_bytes = summary->drain.peak_bytes;
        page->drain_dropped_bytes = summary->drain.dropped_bytes;
        page->drain_dropped_writes = summary->drain.dropped_writes;
    }
    write_end();
}

void status_page_loops(const struct loop_statistics *loops, unsigned count)
{
    write_begin();
    page->loop_count = count < STATUS_LOOPS ? count : STATUS_LOOPS;
    for (unsigned i = 0; i < page->loop_count; i++)
        fill_loop(&page->loops[i], &loops[i]);
    write_end();
}

/* A write that is blocked on it says more: a pipe is full before all its bytes are used. */
static bool is_blocked_on(int fd)
{
    for (uint32_t i = 0; i < page->call_count; i++)
        if (page->calls[i].fd == fd && page->calls[i].class == CLASS_PIPE_WRITE)
            return true;
    return false;
}

void status_page_streams(const struct status_stream streams[STATUS_STREAMS])
{
    write_begin();
    for (int fd = 0; fd < STATUS_STREAMS; fd++)
        if (!is_blocked_on(fd))
            page->streams[fd] = streams[fd];
    write_end();
}

void status_page_drains(const struct status_drain *drains, unsigned count)
{
    write_begin();
    page->draining = count;
    page->drain_count = count < STATUS_DRAINS ? count : STATUS_DRAINS;
    memcpy(page->drains, drains, page->drain_count * sizeof *drains);
    write_end();
}
