// SPDX-License-Identifier: MIT
/* One screen: the verdict first, then its chain, then what each thread waits in. */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/diagnose/members.h"
#include "cli/diagnose/origin.h"
#include "cli/diagnose/output.h"
#include "report/finding_text.h"

static FILE *out; /* where this diagnosis is printed */

enum { FINDINGS_SHOWN = 6, PROCESSES_SHOWN = 8, WAITS_SHOWN = 6, PIPES_SHOWN = 8 };

/* A name that a program gave itself must not move the cursor. */
static const char *clean(const char *bytes)
{
    static char copies[4][OBJECT_NAME_LIMIT];
    static unsigned next;
    struct text_buffer text;
    text_init(&text, copies[next++ % 4], OBJECT_NAME_LIMIT);
    text_printable(&text, bytes);
    return text.data;
}

static void print_finding(const struct diagnosis *diagnosis, unsigned index,
                          const struct text_style *style)
{
    static char lines[64 * 1024];
    struct text_buffer text;
    struct finding_report report = {
        .finding = &diagnosis->findings[index],
        .members = &diagnosis->members[(size_t)index * CHAIN_LIMIT],
        .scans = 2,
        .blocked_ns = diagnosis->lasts_ns[index],
        .at_least = true,
        .all_frames = style->stacks,
    };
    text_init(&text, lines, sizeof lines);
    finding_text_first_line(&text, &report);
    finding_text_rest(&text, &report);
    fprintf(out, "pipeshim: %s", lines);
}

static void print_peers(const struct pipe_facts *pipe)
{
    if (!pipe->peers_known)
        return;
    fprintf(out, "; other end: %s", pipe->peer_count ? "" : "nobody that can be seen");
    for (unsigned i = 0; i < pipe->peer_count && i < 3; i++) {
        const struct peer_facts *peer = &pipe->peers[i];
        fprintf(out, "%s%s[%d] fd %d", i ? ", " : "", clean(peer_name(peer)), peer->pid, peer->fd);
        if (peer->waits_in[0] != '\0')
            fprintf(out, " (%s)", peer->waits_in);
    }
    if (pipe->peer_count > 3)
        fprintf(out, " and %u more", pipe->peer_count - 3);
}

static void print_facts(const struct object_facts *facts)
{
    const struct pipe_facts *pipe = &facts->pipe;
    fprintf(out, " %s", clean(facts->name));
    if (facts->kind == OBJECT_SOCKET) {
        fprintf(out, " %s%s%s", clean(facts->socket.local), facts->socket.remote[0] ? " to " : "",
                clean(facts->socket.remote));
        if (facts->socket.peer_pid > 0)
            fprintf(out, ", which is %s[%d]",
                    facts->socket.peer_name[0] ? clean(facts->socket.peer_name) : "process",
                    facts->socket.peer_pid);
    } else if (pipe->inode != 0) {
        if (pipe->used >= 0 && pipe->capacity >= 0)
            fprintf(out, " %lld of %lld bytes", (long long)pipe->used, (long long)pipe->capacity);
        else if (pipe->used >= 0)
            fprintf(out, " %lld bytes", (long long)pipe->used);
        if (pipe->full == 1)
            fprintf(out, ", full");
        print_peers(pipe);
    }
}

static void wait_words(const struct wait_thread *thread, char words[WAITS_IN_LIMIT])
{
    struct text_buffer text;
    text_init(&text, words, WAITS_IN_LIMIT);
    thread_wait_words(&thread->wait, &text);
    if (words[0] == '\0')
        text_string(&text, "a call that may not be read");
}

/* Threads in the same call are one line: pools have hundreds. */
static bool is_first_of_its_kind(const struct wait_graph *graph, const struct wait_process *process,
                                 uint32_t thread, unsigned *count)
{
    char words[WAITS_IN_LIMIT], other[WAITS_IN_LIMIT];
    *count = 1;
    wait_words(&graph->threads[thread], words);
    for (uint32_t i = process->first_thread; i < process->first_thread + process->thread_count;
         i++) {
        if (i == thread)
            continue;
        wait_words(&graph->threads[i], other);
        if (strcmp(words, other) != 0)
            continue;
        if (i < thread)
            return false;
        ++*count;
    }
    return true;
}

/* The user's line of a thread that waits, or all its frames. */
static void print_lines(int pid, const struct wait_thread *thread, const struct text_style *style)
{
    static char lines[64 * 1024];
    static struct member member;
    struct text_buffer text;
    if (thread->wait.kind == WAIT_NONE || thread->wait.kind == WAIT_ZOMBIE)
        return;
    diagnosis_read_thread(pid, thread->tid, &member);
    if (member.where[0])
        fprintf(out, "      > %s%s%s\n", clean(member.where), member.source[0] ? "    " : "",
                clean(member.source));
    if (member.note)
        fprintf(out, "        (%s)\n", member.note);
    text_init(&text, lines, sizeof lines);
    if (style->stacks)
        finding_text_stacks(&text, &member, "        ");
    fputs(lines, out);
    diagnosis_forget_thread(&member);
}

static void print_threads(const struct diagnosis *diagnosis, const struct wait_process *process,
                          const struct text_style *style)
{
    const struct wait_graph *graph = &diagnosis->graph;
    unsigned shown = 0, left = 0;
    /* The comparison is of each with each: a process with more threads is summed up. */
    uint32_t limit = process->thread_count < 512 ? process->thread_count : 512;
    for (uint32_t i = process->first_thread; i < process->first_thread + limit; i++) {
        const struct wait_thread *thread = &graph->threads[i];
        char words[WAITS_IN_LIMIT];
        struct object_facts facts;
        unsigned count;
        if (!is_first_of_its_kind(graph, process, i, &count))
            continue;
        if (shown == WAITS_SHOWN) {
            left += count;
            continue;
        }
        shown++;
        wait_words(thread, words);
        int fd = count == 1 ? diagnosis_fd(diagnosis, thread) : thread->wait.fd;
        if (count > 1)
            fprintf(out, "    %u threads: %s", count, words);
        else if (thread->wait.kind == WAIT_POLL && fd >= 0) /* its words have their number alone */
            fprintf(out, "    tid %d %s: poll fd %d", thread->tid, clean(thread->wait.comm), fd);
        else
            fprintf(out, "    tid %d %s: %s", thread->tid, clean(thread->wait.comm), words);
        if (thread->wait.kind != WAIT_NONE && thread->wait.kind != WAIT_EPOLL &&
            diagnosis_facts(diagnosis, thread->process, fd, &facts))
            print_facts(&facts);
        fputc('\n', out);
        print_lines(process->pid, thread, style);
    }
    left += process->thread_count - limit;
    if (left > 0)
        fprintf(out, "    and %u more threads\n", left);
}

/* By which a process wakes itself: of no interest. */
static bool is_own_wakeup(const struct object_facts *facts, int pid)
{
    return facts->pipe.peer_count == 1 && facts->pipe.peers[0].pid == pid && facts->pipe.full != 1;
}

static void print_pipes(const struct diagnosis *diagnosis, uint32_t index)
{
    const struct wait_graph *graph = &diagnosis->graph;
    unsigned count = 0;
    for (uint32_t i = 0; i < graph->holder_count; i++) {
        struct object_facts facts;
        if (graph->holders[i].process != index ||
            !diagnosis_facts(diagnosis, index, graph->holders[i].fd, &facts) ||
            facts.kind == OBJECT_SOCKET || is_own_wakeup(&facts, graph->processes[index].pid) ||
            ++count > PIPES_SHOWN)
            continue;
        fprintf(out, "    fd %d %s", graph->holders[i].fd,
                facts.pipe.role && facts.pipe.role[0] == 'w'   ? "writes"
                : facts.pipe.role && facts.pipe.role[0] == 'r' ? "reads"
                                                               : "both ways");
        print_facts(&facts);
        fputc('\n', out);
    }
    if (count > PIPES_SHOWN)
        fprintf(out, "    and %u more pipes\n", count - PIPES_SHOWN);
}

/* The command line, whose it is, and since when it runs: what ps(1) would be asked next. */
static void print_origin(const struct wait_process *process)
{
    struct process_origin origin;
    if (!process_origin_read(process->pid, &origin))
        return;
    fprintf(out, "    %s", clean(origin.command[0] ? origin.command : process->comm));
    fprintf(out, "  (user %s, since %s)\n", clean(origin.user), origin.since);
}

static void print_process(const struct diagnosis *diagnosis, uint32_t index,
                          const struct text_style *style)
{
    const struct wait_process *process = &diagnosis->graph.processes[index];
    fprintf(out, "  %s[%d] state %c, %u thread%s\n", clean(process->comm), process->pid,
            process->state, process->thread_count, process->thread_count == 1 ? "" : "s");
    print_origin(process);
    print_threads(diagnosis, process, style);
    print_pipes(diagnosis, index);
}

static void print_asked(const struct diagnosis *diagnosis, const struct text_style *style)
{
    unsigned shown = 0;
    for (unsigned i = 0; i < diagnosis->pid_count; i++) {
        uint32_t index = wait_graph_process(&diagnosis->graph, diagnosis->pids[i]);
        if (index == NO_INDEX || diagnosis->graph.processes[index].thread_count == 0)
            continue;
        if (shown++ < PROCESSES_SHOWN)
            print_process(diagnosis, index, style);
    }
    if (shown > PROCESSES_SHOWN)
        fprintf(out, "  and %u more processes\n", shown - PROCESSES_SHOWN);
}

/* All threads of the machine by what they wait in. */
static void print_sums(const struct wait_graph *graph)
{
    static const struct {
        enum wait_kind kind;
        const char *name;
    } kinds[] = {
        {WAIT_NONE, "running"},   {WAIT_WRITE, "write"},   {WAIT_READ, "read"},
        {WAIT_CHILD, "child"},    {WAIT_EPOLL, "epoll"},   {WAIT_POLL, "poll"},
        {WAIT_SELECT, "select"},  {WAIT_FUTEX, "futex"},   {WAIT_SLEEP, "sleep"},
        {WAIT_LOCK, "file lock"}, {WAIT_ACCEPT, "accept"}, {WAIT_CONNECT, "connect"},
        {WAIT_OPEN, "open"},      {WAIT_SIGNAL, "signal"}, {WAIT_STOPPED, "stopped"},
        {WAIT_OTHER, "other"},    {WAIT_ZOMBIE, "zombie"}, {WAIT_UNKNOWN, "not readable"},
    };
    fprintf(out, "  threads:");
    for (unsigned k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        unsigned count = 0;
        for (uint32_t i = 0; i < graph->thread_count; i++)
            count += graph->threads[i].wait.kind == kinds[k].kind;
        if (count > 0)
            fprintf(out, " %u %s", count, kinds[k].name);
    }
    fputc('\n', out);
}

/* The verdict when nothing is stuck: never more than what was seen. */
static void print_clear(const struct diagnosis *diagnosis)
{
    unsigned seen =
        diagnosis->pids ? diagnosis->found : diagnosis->graph.process_count - diagnosis->unread;
    if (diagnosis->unread > 0)
        fprintf(out, "pipeshim: nothing seen stuck in %u of %u processes; %u may not be read", seen,
                seen + diagnosis->unread, diagnosis->unread);
    else
        fprintf(out, "pipeshim: nothing is stuck");
    fprintf(out, "  (%u look%s, %.0f ms)\n", diagnosis->scans, diagnosis->scans == 1 ? "" : "s",
            diagnosis->milliseconds);
}

static void print_nearby(const struct diagnosis *diagnosis)
{
    if (diagnosis->nearby == 0)
        return;
    fprintf(out, "  nearby: %u more stuck, not in what was asked for (pipeshim diagnose",
            diagnosis->nearby);
    for (unsigned i = 0; i < diagnosis->nearby && i < NEARBY_LIMIT; i++)
        fprintf(out, " %d", diagnosis->nearby_pids[i]);
    fprintf(out, ")\n");
}

void diagnosis_print_text(const struct diagnosis *diagnosis, const struct text_style *style)
{
    const struct wait_graph *graph = &diagnosis->graph;
    out = style->out;
    for (unsigned i = 0; i < diagnosis->finding_count && i < FINDINGS_SHOWN; i++)
        print_finding(diagnosis, i, style);
    if (diagnosis->finding_count > FINDINGS_SHOWN)
        fprintf(out, "and %u more findings: --json lists all\n",
                diagnosis->finding_count - FINDINGS_SHOWN);
    if (diagnosis->finding_count == 0 &&
        (!diagnosis->pids || diagnosis->found + diagnosis->unread > 0))
        print_clear(diagnosis);
    print_nearby(diagnosis);
    if (diagnosis->pids) {
        print_asked(diagnosis, style);
    } else {
        fprintf(out, "  %u processes, %u threads, %u pipe and socket descriptors\n",
                graph->process_count, graph->thread_count, graph->holder_count);
        print_sums(graph);
    }
}

void diagnosis_print_notes(const struct diagnosis *diagnosis, FILE *to)
{
    for (unsigned i = 0; i < diagnosis->note_count; i++) {
        const struct note *note = &diagnosis->notes[i];
        if (note->pid != 0)
            fprintf(to, "pipeshim diagnose: process %d %s%s\n", note->pid,
                    strncmp(note->text, "no such", 7) == 0 ? "not found: " : "", note->text);
        else
            fprintf(to, "pipeshim diagnose: %s\n", note->text);
    }
}
