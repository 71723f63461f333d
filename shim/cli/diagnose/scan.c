// SPDX-License-Identifier: MIT
#include "cli/diagnose/scan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/diagnose/asleep.h"
#include "cli/diagnose/blocked_loop.h"
#include "cli/diagnose/members.h"
#include "cli/user_name.h"
#include "kernel/object_reader.h"

enum {
    SECOND_SCAN_MS = 120, /* between the scan that finds something and the one that confirms it */
    THIRD_SCAN_MS = 480,  /* a slow reader needs longer to be told from one that does not read */
    BLOCKED_LOOP_MS = SECOND_SCAN_MS + THIRD_SCAN_MS, /* a call this short is no news */
};

/* Room for 100,000 processes; only what is used is ever touched. */
static const size_t memory_size = sizeof(void *) > 4 ? (size_t)256 << 20 : (size_t)32 << 20;

static void note(struct diagnosis *diagnosis, int pid, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void note(struct diagnosis *diagnosis, int pid, const char *format, ...)
{
    va_list arguments;
    struct note *entry = &diagnosis->notes[diagnosis->note_count++];
    entry->pid = pid;
    va_start(arguments, format);
    vsnprintf(entry->text, sizeof entry->text, format, arguments);
    va_end(arguments);
}

bool diagnosis_start(struct diagnosis *diagnosis, const int *pids, unsigned pid_count)
{
    memset(diagnosis, 0, sizeof *diagnosis);
    diagnosis->pids = pids;
    diagnosis->pid_count = pid_count;
    void *memory = mmap(NULL, memory_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    wait_graph_init(&diagnosis->graph, memory, memory_size, ACCESS_ALL);
    diagnosis->graph.few_looks = true;
    diagnosis->findings = calloc(FINDINGS_LIMIT, sizeof *diagnosis->findings);
    diagnosis->notes = calloc(pid_count + 4, sizeof *diagnosis->notes);
    diagnosis->members = calloc((size_t)FINDINGS_LIMIT * CHAIN_LIMIT, sizeof *diagnosis->members);
    return diagnosis->findings && diagnosis->members && diagnosis->notes;
}

void diagnosis_end(struct diagnosis *diagnosis)
{
    munmap(diagnosis->graph.processes, memory_size);
    free(diagnosis->findings);
    for (unsigned i = 0; diagnosis->members && i < FINDINGS_LIMIT * CHAIN_LIMIT; i++)
        if (diagnosis->members[i].frames || diagnosis->members[i].javascript)
            diagnosis_forget_thread(&diagnosis->members[i]);
    free(diagnosis->members);
    free(diagnosis->notes);
}

static void note_unreadable(struct diagnosis *diagnosis, int pid)
{
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d", pid);
    if (stat(path, &status) < 0) {
        note(diagnosis, pid, "ended while it was looked at");
        return;
    }
    const char *owner = user_name(status.st_uid);
    if (status.st_uid != geteuid())
        note(diagnosis, pid, "may not be read: it belongs to %s", owner ? owner : "another user");
    else
        note(diagnosis, pid,
             "may not be read: it is not dumpable, has more privileges, or Yama "
             "(kernel.yama.ptrace_scope) forbids it");
}

/* A process hidden by hidepid looks like none at all. */
static bool proc_hides_processes(void)
{
    FILE *mounts = fopen("/proc/mounts", "re");
    char line[1024];
    bool hides = false;
    while (mounts && fgets(line, sizeof line, mounts)) {
        if (strstr(line, " /proc proc "))
            hides = strstr(line, "hidepid=") != NULL && strstr(line, "hidepid=0") == NULL &&
                    strstr(line, "hidepid=off") == NULL;
    }
    if (mounts)
        fclose(mounts);
    return hides && geteuid() != 0;
}

static void load_asked(struct diagnosis *diagnosis, int pid, bool hidden)
{
    struct wait_graph *graph = &diagnosis->graph;
    uint32_t index = wait_graph_load(graph, pid);
    if (index == NO_INDEX) {
        note(diagnosis, pid,
             hidden ? "no such process, or /proc hides it (hidepid)" : "no such process");
    } else if (graph->processes[index].gone) {
        note(diagnosis, pid, "ended while it was looked at");
    } else if (graph->processes[index].state == 'Z') {
        note(diagnosis, pid, "is a zombie: it has ended, and its parent %d has not waited for it",
             graph->processes[index].parent);
        diagnosis->found++;
    } else if (!graph->processes[index].readable) {
        note_unreadable(diagnosis, pid);
        diagnosis->unread++;
    } else {
        diagnosis->found++;
        wait_graph_load_neighbours(graph, pid);
    }
}

/* Yama lets a process read the calls of its descendants only, and of all others what wchan says. */
static void note_unread_calls(struct diagnosis *diagnosis)
{
    const struct wait_graph *graph = &diagnosis->graph;
    unsigned unread = 0;
    for (uint32_t i = 0; i < graph->thread_count; i++) {
        const struct wait_thread *thread = &graph->threads[i];
        unread += graph->processes[thread->process].readable && !thread->wait.call_known &&
                  thread->wait.kind != WAIT_NONE && thread->wait.kind != WAIT_ZOMBIE &&
                  thread->wait.kind != WAIT_STOPPED;
    }
    if (unread > 0)
        note(
            diagnosis, 0,
            "the calls of %u thread%s may not be read (Yama, kernel.yama.ptrace_scope, or a 32-bit "
            "program): only their kind is known",
            unread, unread == 1 ? "" : "s");
}

static bool names_writer(const struct wait_finding *findings, unsigned count, int pid)
{
    for (unsigned i = 0; i < count; i++)
        if (findings[i].chain[0].pid == pid)
            return true;
    return false;
}

/* Of a process that runs the library each refused write is seen; here only what leads to it. */
static unsigned find_refused(struct wait_graph *graph, struct wait_finding *findings,
                             unsigned count)
{
    for (uint32_t i = 0; i < graph->process_count; i++) {
        const struct wait_process *process = &graph->processes[i];
        for (int fd = 1; fd <= 2 && count < FINDINGS_LIMIT; fd++)
            if (process->loaded && process->readable &&
                !names_writer(findings, count, process->pid) &&
                finding_nonblocking_foreseen(graph, process->pid, fd, &findings[count]))
                count++;
    }
    return count;
}

/* One scan into `diagnosis->graph`, its findings (not yet confirmed) into `findings`. */
static bool scan(struct diagnosis *diagnosis, struct wait_finding *findings, unsigned *count)
{
    struct wait_graph *graph = &diagnosis->graph;
    bool hidden = proc_hides_processes();
    diagnosis->scans++;
    diagnosis->note_count = diagnosis->found = diagnosis->unread = 0;
    if (wait_graph_scan(graph) < 0)
        return false;
    for (unsigned i = 0; i < diagnosis->pid_count; i++)
        load_asked(diagnosis, diagnosis->pids[i], hidden);
    if (!diagnosis->pids) {
        wait_graph_load_all(graph);
        diagnosis->unread = graph->unreadable;
    }
    *count = wait_graph_find(graph, findings, FINDINGS_LIMIT);
    *count = find_refused(graph, findings, *count);
    /* Of strangers alone it is no news: a user may read none of root's. */
    if (graph->unreadable > 0 && (!diagnosis->pids || diagnosis->unread > 0 || *count > 0))
        note(diagnosis, 0, "%u process%s may not be read (other users, not dumpable, or Yama)",
             graph->unreadable, graph->unreadable == 1 ? "" : "es");
    note_unread_calls(diagnosis);
    if (hidden)
        note(diagnosis, 0, "/proc is mounted with hidepid: processes of others are not visible");
    if (graph->incomplete)
        note(diagnosis, 0, "more processes, threads or descriptors than fit: no deadlock is named");
    if (graph->refused)
        note(diagnosis, 0,
             "the kernel was short of files or memory while /proc was read: nothing is concluded");
    return true;
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void pause_ms(long milliseconds)
{
    struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&left, &left) < 0)
        ;
}

static const struct wait_finding *same_finding(const struct wait_finding *wanted,
                                               const struct wait_finding *findings, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (findings[i].kind == wanted->kind && findings[i].fingerprint == wanted->fingerprint)
            return &findings[i];
    }
    return NULL;
}

/* Looks again and keeps of `first` what has not moved since, in the words of the new scan. True
 * when the verdict is certain: no reader is left that might only be slow. */
static bool confirm(struct diagnosis *diagnosis, const struct wait_finding *first, unsigned count,
                    struct wait_finding *again, bool last)
{
    unsigned again_count = 0;
    bool certain = true;
    diagnosis->finding_count = 0;
    if (!scan(diagnosis, again, &again_count))
        return true;
    for (unsigned i = 0; i < count; i++) {
        const struct wait_finding *same = same_finding(&first[i], again, again_count);
        if (!same || (last && !wait_finding_confirms(&first[i], same)))
            continue;
        certain &=
            same->kind != FINDING_READER_AWAY && same->kind != FINDING_BACKLOG && !same->foreseen;
        diagnosis->findings[diagnosis->finding_count++] = *same;
        /* Its next read may come: no look of a second tells a compressor from a hang. */
        diagnosis->findings[diagnosis->finding_count - 1].likely |=
            same->kind == FINDING_READER_AWAY && same->holder_runs;
        if (last && same->kind == FINDING_BACKLOG)
            finding_backlog_grew(&first[i], &diagnosis->findings[diagnosis->finding_count - 1]);
    }
    return certain;
}

static bool is_member(const struct wait_finding *finding, int pid)
{
    for (unsigned i = 0; i < finding->count; i++) {
        if (finding->chain[i].pid == pid)
            return true;
    }
    return false;
}

/* Marks in `seen` whom a process waits for, and whom they wait for. */
static void follow(struct wait_graph *graph, uint32_t from)
{
    for (uint32_t i = 0; i < graph->process_count; i++)
        graph->processes[i].seen = i == from;
    for (bool grown = true; grown;) {
        grown = false;
        for (uint32_t t = 0; t < graph->thread_count; t++) {
            const struct wait_thread *thread = &graph->threads[t];
            if (!graph->processes[thread->process].seen || thread->free)
                continue;
            for (uint32_t e = 0; e < thread->edge_count; e++) {
                const struct wait_edge *edge = &graph->edges[thread->first_edge + e];
                struct wait_process *next = &graph->processes[edge->process];
                /* Any child may end a wait for children, but a shell waits for them all. */
                if (edge->reason != REASON_CHILD && graph->processes[thread->process].can_act)
                    continue;
                grown |= !next->seen;
                next->seen = true;
            }
        }
    }
}

/* Does a process that was asked for take part, or wait for one that does? The graph is widened over
 * shared pipes: in a container everybody has the same stdout, and a neighbour's deadlock is not
 * one's own. */
static bool concerns(struct diagnosis *diagnosis, const struct wait_finding *finding)
{
    struct wait_graph *graph = &diagnosis->graph;
    if (!diagnosis->pids)
        return true;
    wait_graph_reduce(graph, 0);
    for (unsigned i = 0; i < diagnosis->pid_count; i++) {
        uint32_t asked = wait_graph_process(graph, diagnosis->pids[i]);
        if (is_member(finding, diagnosis->pids[i]))
            return true;
        if (asked == NO_INDEX || !graph->processes[asked].loaded)
            continue;
        follow(graph, asked);
        for (unsigned k = 0; k < finding->count; k++) {
            uint32_t member = wait_graph_process(graph, finding->chain[k].pid);
            if (member != NO_INDEX && graph->processes[member].seen)
                return true;
        }
    }
    return false;
}

/* Of a process that comes round to a full pipe: its memory has grown, so it goes on, and is in no
 * deadlock. */
static void drop_what_goes_on(struct diagnosis *diagnosis)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < diagnosis->finding_count; i++) {
        const struct wait_finding *finding = &diagnosis->findings[i];
        bool goes_on = false;
        for (unsigned k = 0; k < diagnosis->finding_count; k++)
            goes_on |= diagnosis->findings[k].kind == FINDING_BACKLOG &&
                       finding->kind == FINDING_DEADLOCK && finding->likely &&
                       is_member(finding, diagnosis->findings[k].chain[0].pid);
        if (!goes_on)
            diagnosis->findings[kept++] = *finding;
    }
    diagnosis->finding_count = kept;
}

static void keep_what_was_asked_for(struct diagnosis *diagnosis)
{
    unsigned kept = 0;
    diagnosis->nearby = 0;
    for (unsigned i = 0; i < diagnosis->finding_count; i++) {
        struct wait_finding *finding = &diagnosis->findings[i];
        if (concerns(diagnosis, finding)) {
            if (kept != i)
                diagnosis->findings[kept] = *finding;
            kept++;
            continue;
        }
        if (diagnosis->nearby < NEARBY_LIMIT)
            diagnosis->nearby_pids[diagnosis->nearby] = finding->chain[0].pid;
        diagnosis->nearby++;
    }
    diagnosis->finding_count = kept;
}

static void say_how_long(struct diagnosis *diagnosis, unsigned apart_ms)
{
    for (unsigned i = 0; i < diagnosis->finding_count; i++) {
        const struct wait_finding *finding = &diagnosis->findings[i];
        uint64_t apart = finding->kind == FINDING_BLOCKED ? BLOCKED_LOOP_MS : apart_ms;
        diagnosis->lasts_ns[i] = finding_lasts_ns(finding, apart * NS_PER_MS);
    }
}

bool diagnose_once(struct diagnosis *diagnosis)
{
    unsigned count = 0, apart_ms = 0;
    double start = now_ms();
    diagnosis->scans = diagnosis->finding_count = 0;
    struct wait_finding *first = calloc(FINDINGS_LIMIT, sizeof *first);
    struct wait_finding *again = calloc(FINDINGS_LIMIT, sizeof *again);
    bool scanned = first && again && scan(diagnosis, first, &count);
    if (scanned && count > 0) {
        pause_ms(SECOND_SCAN_MS);
        apart_ms = SECOND_SCAN_MS;
        if (!confirm(diagnosis, first, count, again, false)) {
            pause_ms(THIRD_SCAN_MS);
            apart_ms += THIRD_SCAN_MS;
            confirm(diagnosis, first, count, again, true);
        }
    }
    free(first);
    free(again);
    drop_what_goes_on(diagnosis);
    keep_what_was_asked_for(diagnosis);
    if (scanned)
        diagnosis->finding_count = blocked_loops_find(
            &diagnosis->graph, diagnosis->pids, diagnosis->pid_count, diagnosis->findings,
            diagnosis->finding_count, FINDINGS_LIMIT, BLOCKED_LOOP_MS);
    say_how_long(diagnosis, apart_ms);
    for (unsigned i = 0; i < diagnosis->finding_count; i++)
        diagnosis_read_members(&diagnosis->findings[i],
                               &diagnosis->members[(size_t)i * CHAIN_LIMIT]);
    diagnosis->milliseconds = now_ms() - start;
    return scanned;
}

int diagnosis_status(const struct diagnosis *diagnosis)
{
    int status = STATUS_CLEAR;
    for (unsigned i = 0; i < diagnosis->finding_count; i++) {
        if (diagnosis->findings[i].kind == FINDING_DEADLOCK)
            return STATUS_DEADLOCK;
        status = STATUS_STUCK;
    }
    if (status != STATUS_CLEAR)
        return status;
    if (diagnosis->found + diagnosis->unread < diagnosis->pid_count)
        return STATUS_ERROR;
    return diagnosis->unread > 0 ? STATUS_INCOMPLETE : STATUS_CLEAR;
}
