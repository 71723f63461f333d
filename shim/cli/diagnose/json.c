// SPDX-License-Identifier: MIT
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "base/utf8.h"
#include "cli/diagnose/members.h"
#include "cli/diagnose/origin.h"
#include "cli/diagnose/output.h"
#include "report/javascript_frames.h"

/* Names come from programs and need not be UTF-8; jansson takes nothing else. */
static json_t *text(const char *bytes)
{
    char printable[WORDS_LIMIT];
    struct text_buffer copy;
    json_t *string = json_string(bytes);
    if (string)
        return string;
    text_init(&copy, printable, sizeof printable);
    text_printable(&copy, bytes);
    return json_string(printable);
}

static json_t *state(char letter)
{
    char string[2] = {letter, '\0'};
    return text(string);
}

/* What is not known is left out. */
static void set_number(json_t *object, const char *key, int64_t value)
{
    if (value >= 0)
        json_object_set_new(object, key, json_integer(value));
}

static void set_text(json_t *object, const char *key, const char *value)
{
    if (value && value[0] != '\0')
        json_object_set_new(object, key, text(value));
}

static void set_time(json_t *object)
{
    struct timeval now;
    struct tm utc;
    char string[40], all[60];
    gettimeofday(&now, NULL);
    gmtime_r(&now.tv_sec, &utc);
    strftime(string, sizeof string, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(all, sizeof all, "%s.%06ldZ", string, (long)now.tv_usec);
    set_text(object, "time", all);
}

static json_t *peer_json(const struct peer_facts *peer)
{
    json_t *object = json_object();
    set_number(object, "pid", peer->pid);
    set_text(object, "comm", peer->comm);
    set_text(object, "name", peer->name);
    set_number(object, "fd", peer->fd);
    if (peer->state)
        json_object_set_new(object, "state", state(peer->state));
    set_text(object, "waits_in", peer->waits_in);
    return object;
}

static json_t *pipe_json(const struct pipe_facts *pipe)
{
    json_t *object = json_object();
    set_number(object, "inode", (int64_t)pipe->inode);
    set_number(object, "used", pipe->used);
    set_number(object, "capacity", pipe->capacity);
    set_number(object, "slots_used", pipe->slots_used);
    set_number(object, "slots", pipe->slots);
    if (pipe->full >= 0)
        json_object_set_new(object, "full", json_boolean(pipe->full));
    set_text(object, "role", pipe->role);
    if (pipe->peers_known) {
        json_t *peers = json_array();
        for (unsigned i = 0; i < pipe->peer_count && i < PEER_LIMIT; i++)
            json_array_append_new(peers, peer_json(&pipe->peers[i]));
        json_object_set_new(object, "peers", peers);
        set_number(object, "peer_count", pipe->peer_count);
    }
    return object;
}

static json_t *socket_json(const struct socket_facts *socket)
{
    json_t *object = json_object();
    set_text(object, "family", socket->family);
    set_text(object, "local", socket->local);
    set_text(object, "remote", socket->remote);
    set_number(object, "peer_pid", socket->peer_pid);
    set_text(object, "peer_name", socket->peer_name);
    return object;
}

static void set_facts(json_t *object, const struct object_facts *facts)
{
    set_text(object, "object", facts->name);
    if (facts->kind == OBJECT_PIPE || facts->kind == OBJECT_FIFO ||
        facts->kind == OBJECT_SOCKETPAIR)
        json_object_set_new(object, "pipe", pipe_json(&facts->pipe));
    if (facts->kind == OBJECT_SOCKET)
        json_object_set_new(object, "socket", socket_json(&facts->socket));
}

static json_t *python_json(const struct member *member)
{
    json_t *frames = json_array();
    for (unsigned i = 0; i < member->python_count; i++) {
        const struct python_frame *frame = &member->python[i];
        json_t *object = json_object();
        set_text(object, "file", frame->file);
        if (frame->line > 0)
            set_number(object, "line", frame->line);
        set_text(object, "function", frame->function);
        if (frame->awaits)
            json_object_set_new(object, "awaits", json_true());
        json_array_append_new(frames, object);
    }
    return frames;
}

static json_t *javascript_json(const struct member *member)
{
    json_t *frames = json_array();
    for (unsigned i = 0; i < member->javascript_count; i++) {
        const struct javascript_frame *frame = &member->javascript[i];
        json_t *object = json_object();
        set_text(object, "file", frame->file);
        if (frame->line > 0)
            set_number(object, "line", frame->line);
        if (frame->column > 0)
            set_number(object, "column", frame->column);
        if (frame->readable)
            set_text(object, "function", javascript_function_name(frame));
        else
            json_object_set_new(object, "unreadable", json_true());
        if (frame->near)
            json_object_set_new(object, "near", json_true());
        if (frame->generated)
            json_object_set_new(object, "generated", json_true());
        json_array_append_new(frames, object);
    }
    return frames;
}

static void set_hex(json_t *object, const char *key, uint64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "0x%llx", (unsigned long long)value);
    json_object_set_new(object, key, json_string(digits));
}

static json_t *stack_json(const struct member *member)
{
    json_t *frames = json_array();
    for (unsigned i = 0; i < member->frame_count; i++) {
        const struct stack_frame_name *frame = &member->frames[i];
        char build_id[2 * BUILD_ID_LIMIT + 1] = "";
        json_t *object = json_object();
        set_hex(object, "pc", frame->pc);
        set_text(object, "module", frame->module);
        if (frame->module[0])
            set_hex(object, "offset", frame->offset);
        for (unsigned k = 0; k < frame->build_id_size; k++)
            snprintf(build_id + (size_t)2 * k, 3, "%02x", frame->build_id[k]);
        set_text(object, "build_id", build_id);
        set_text(object, "symbol", frame->symbol);
        if (frame->symbol[0])
            set_number(object, "symbol_offset", (int64_t)frame->symbol_offset);
        json_array_append_new(frames, object);
    }
    return frames;
}

static void set_member(json_t *object, const struct member *member)
{
    set_text(object, "where", member->where);
    set_text(object, "source", member->source);
    set_text(object, "note", member->note);
    if (member->python_count > 0)
        json_object_set_new(object, "python", python_json(member));
    if (member->javascript_count > 0)
        json_object_set_new(object, "javascript", javascript_json(member));
    if (member->frame_count > 0) {
        json_object_set_new(object, "stack", stack_json(member));
        if (!member->stack_complete)
            json_object_set_new(object, "stack_truncated", json_true());
    }
}

/* The lines of so many threads of a process are read: a pool has thousands in one place. */
enum { LINES_SHOWN = 64 };

static void set_lines(json_t *object, const struct diagnosis *diagnosis,
                      const struct wait_thread *thread)
{
    static struct member member;
    int pid = diagnosis->graph.processes[thread->process].pid;
    uint32_t place = (uint32_t)(thread - diagnosis->graph.threads) -
                     diagnosis->graph.processes[thread->process].first_thread;
    if (!diagnosis->pids || !diagnosis_asked(diagnosis, pid) || place >= LINES_SHOWN ||
        thread->wait.kind == WAIT_NONE || thread->wait.kind == WAIT_ZOMBIE)
        return;
    diagnosis_read_thread(pid, thread->tid, &member);
    set_member(object, &member);
}

static json_t *thread_json(const struct diagnosis *diagnosis, const struct wait_thread *thread)
{
    char words[WAITS_IN_LIMIT];
    struct text_buffer waits_in;
    struct object_facts facts;
    json_t *object = json_object();
    set_number(object, "tid", thread->tid);
    set_text(object, "thread", thread->wait.comm);
    if (thread->wait.state)
        json_object_set_new(object, "state", state(thread->wait.state));
    text_init(&waits_in, words, sizeof words);
    thread_wait_words(&thread->wait, &waits_in);
    set_text(object, "waits_in", words);
    set_number(object, "fd", diagnosis_fd(diagnosis, thread));
    if (thread->timed)
        set_number(object, "timeout_ms", thread->limit_ms);
    if (thread->wait.kind != WAIT_NONE &&
        diagnosis_facts(diagnosis, thread->process, diagnosis_fd(diagnosis, thread), &facts))
        set_facts(object, &facts);
    set_lines(object, diagnosis, thread);
    return object;
}

static json_t *pipes_json(const struct diagnosis *diagnosis, uint32_t index)
{
    const struct wait_graph *graph = &diagnosis->graph;
    json_t *pipes = json_array();
    for (uint32_t i = 0; i < graph->holder_count; i++) {
        struct object_facts facts;
        if (graph->holders[i].process != index ||
            !diagnosis_facts(diagnosis, index, graph->holders[i].fd, &facts) ||
            facts.kind == OBJECT_SOCKET)
            continue;
        json_t *entry = json_object();
        set_number(entry, "fd", graph->holders[i].fd);
        set_facts(entry, &facts);
        json_array_append_new(pipes, entry);
    }
    return pipes;
}

static void set_origin(json_t *object, const struct wait_process *process)
{
    struct process_origin origin;
    char name[PROCESS_NAME_LIMIT];
    process_name(process->pid, process->comm, name);
    set_text(object, "name", name);
    if (!process_origin_read(process->pid, &origin))
        return;
    set_text(object, "command", origin.command);
    set_text(object, "user", origin.user);
    json_object_set_new(object, "age_s", json_real(origin.age_s));
}

static json_t *process_json(const struct diagnosis *diagnosis, uint32_t index)
{
    const struct wait_process *process = &diagnosis->graph.processes[index];
    json_t *object = json_object(), *threads = json_array();
    set_number(object, "pid", process->pid);
    set_text(object, "comm", process->comm);
    set_number(object, "parent", process->parent);
    json_object_set_new(object, "state", state(process->state));
    json_object_set_new(object, "readable", json_boolean(process->readable));
    if (diagnosis->pids && diagnosis_asked(diagnosis, process->pid))
        set_origin(object, process);
    for (uint32_t i = 0; i < process->thread_count; i++)
        json_array_append_new(
            threads, thread_json(diagnosis, &diagnosis->graph.threads[process->first_thread + i]));
    json_object_set_new(object, "threads", threads);
    /* Of all processes only what is waited on is listed: the rest would be thousands. */
    if (diagnosis->pids && diagnosis_asked(diagnosis, process->pid))
        json_object_set_new(object, "pipes", pipes_json(diagnosis, index));
    return object;
}

static json_t *link_json(const struct chain_link *link)
{
    json_t *object = json_object();
    set_number(object, "pid", link->pid);
    set_text(object, "comm", link->comm);
    set_text(object, "name", link->name);
    set_number(object, "tid", link->tid);
    set_text(object, "waits_in", link->waits_in);
    set_text(object, "object", link->object);
    if (link->for_pid > 0)
        set_number(object, "for_pid", link->for_pid);
    set_number(object, "fd", link->own_fd);
    set_number(object, "peer_fd", link->peer_fd);
    set_number(object, "used", link->used);
    set_number(object, "capacity", link->capacity);
    set_number(object, "slots", link->slots);
    if (link->full >= 0)
        json_object_set_new(object, "full", json_boolean(link->full));
    return object;
}

static json_t *finding_json(const struct wait_finding *finding, const struct member *members,
                            uint64_t lasts_ns)
{
    json_t *object = json_object(), *chain = json_array();
    set_text(object, "kind", finding_name(finding->kind));
    for (unsigned i = 0; i < finding->count; i++) {
        json_t *link = link_json(&finding->chain[i]);
        set_member(link, &members[i]);
        json_array_append_new(chain, link);
    }
    json_object_set_new(object, "chain", chain);
    if (finding->timed)
        set_number(object, "timeout_ms", finding->limit_ms);
    if (lasts_ns > 0)
        json_object_set_new(object, "blocked_ms", json_real((double)lasts_ns / 1e6));
    set_text(object, "words", finding->words);
    set_text(object, "advice", finding->advice);
    set_text(object, "rescue", finding->rescue);
    set_text(object, "certainty", finding->likely ? "likely" : "proven");
    char id[24];
    snprintf(id, sizeof id, "0x%llx",
             (unsigned long long)(finding->id ? finding->id : finding->fingerprint));
    set_text(object, "id", id);
    return object;
}

void diagnosis_print_json(const struct diagnosis *diagnosis)
{
    static const char *const verdicts[] = {"clear", "stuck", "deadlock", "error", "incomplete"};
    json_t *object = json_object(), *findings = json_array(), *processes = json_array(),
           *notes = json_array();
    json_object_set_new(object, "v", json_integer(1));
    json_object_set_new(object, "event", json_string("diagnosis"));
    set_time(object);
    set_text(object, "verdict", verdicts[diagnosis_status(diagnosis)]);
    json_object_set_new(object, "looks", json_integer(diagnosis->scans));
    json_object_set_new(object, "ms", json_real(diagnosis->milliseconds));
    for (unsigned i = 0; i < diagnosis->finding_count; i++)
        json_array_append_new(findings, finding_json(&diagnosis->findings[i],
                                                     &diagnosis->members[(size_t)i * CHAIN_LIMIT],
                                                     diagnosis->lasts_ns[i]));
    json_object_set_new(object, "findings", findings);
    json_object_set_new(object, "nearby", json_integer(diagnosis->nearby));
    json_object_set_new(object, "unread", json_integer(diagnosis->unread));
    for (uint32_t i = 0; i < diagnosis->graph.process_count; i++) {
        if (diagnosis->graph.processes[i].loaded)
            json_array_append_new(processes, process_json(diagnosis, i));
    }
    json_object_set_new(object, "processes", processes);
    for (unsigned i = 0; i < diagnosis->note_count; i++) {
        json_t *entry = json_object();
        if (diagnosis->notes[i].pid != 0)
            set_number(entry, "pid", diagnosis->notes[i].pid);
        set_text(entry, "note", diagnosis->notes[i].text);
        json_array_append_new(notes, entry);
    }
    json_object_set_new(object, "notes", notes);
    /* ASCII: a terminal takes U+009B in a name for the start of a command. */
    json_dumpf(object, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
    putchar('\n');
    json_decref(object);
}
