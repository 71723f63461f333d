// SPDX-License-Identifier: MIT
#include "cli/doctor/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/program.h"

enum { WORDS = 4, PATIENCE_S = 10, POLL_MS = 5 };

/* Programs that some image without a shell has all the same: each can do nothing, and write to its
 * stderr for ever. */
static const struct candidate {
    const char *nothing[WORDS];
    const char *writes[WORDS];
} candidates[] = {
    {{"sh", "-c", ":"}, {"sh", "-c", "while :; do echo pipeshim doctor >&2; done"}},
    {{"bash", "-c", ":"}, {"bash", "-c", "while :; do echo pipeshim doctor >&2; done"}},
    {{"python3", "-c", "0"},
     {"python3", "-c", "import sys\nwhile 1: sys.stderr.write('pipeshim doctor\\n')"}},
    {{"perl", "-e", "0"}, {"perl", "-e", "print STDERR \"pipeshim doctor\\n\" while 1"}},
    {{"node", "-e", "0"},
     {"node", "-e", "for (;;) require('fs').writeSync(2, 'pipeshim doctor\\n')"}},
};

struct probe {
    struct results *results;
    const char *library;
    const struct candidate *candidate;
    char folder[64], log[96], said[96];
};

/* The events of the log that are complete; a new array. */
static json_t *read_events(const struct probe *probe)
{
    json_t *events = json_array();
    FILE *file = fopen(probe->log, "re");
    char *line = NULL;
    size_t size = 0;
    while (file && getline(&line, &size, file) > 0) {
        json_t *event = json_loads(line, 0, NULL);
        if (event)
            json_array_append_new(events, event);
    }
    free(line);
    if (file)
        fclose(file);
    return events;
}

/* The first event of the kind, borrowed; NULL: none. */
static json_t *event_of(const json_t *events, const char *kind)
{
    for (size_t i = 0; i < json_array_size(events); i++) {
        json_t *event = json_array_get(events, i);
        const char *is = json_string_value(json_object_get(event, "event"));
        if (is && strcmp(is, kind) == 0)
            return event;
    }
    return NULL;
}

static const char *text_of(const json_t *event, const char *key)
{
    const char *text = json_string_value(json_object_get(event, key));
    return text ? text : "";
}

/* In the child: the settings of the proof in place of the user's own. */
static _Noreturn void become(const struct probe *probe, const char *const *words)
{
    static const char *const cleared[] = {
        "PIPESHIM",          "PIPESHIM_ONLY", "PIPESHIM_SKIP",   "PIPESHIM_SUPPRESS",
        "PIPESHIM_DRAIN",    "PIPESHIM_GROW", "PIPESHIM_ACTION", "PIPESHIM_METRICS",
        "PIPESHIM_PRESET",   "PIPESHIM_RATE", "PIPESHIM_LOOP",   "PIPESHIM_SUMMARY",
        "PIPESHIM_THRESHOLD"};
    for (size_t i = 0; i < sizeof cleared / sizeof *cleared; i++)
        unsetenv(cleared[i]);
    setenv("PIPESHIM_PIPE_THRESHOLD", "100ms", 1);
    setenv("PIPESHIM_FORMAT", "json", 1);
    setenv("PIPESHIM_SUMMARY", "always", 1); /* the start is the proof, and at once */
    setenv("PIPESHIM_LOG", probe->log, 1);
    setenv("LD_PRELOAD", probe->library, 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(words[0], (char *const *)words);
    _exit(127);
}

static void onto(int fd, int target)
{
    if (fd != target) {
        dup2(fd, target);
        close(fd);
    }
}

/* Runs the candidate's `nothing`; its stderr goes to a file. Returns the wait status. */
static int run_nothing(const struct probe *probe)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        onto(open("/dev/null", O_RDWR), 0);
        dup2(0, 1);
        onto(open(probe->said, O_WRONLY | O_CREAT | O_TRUNC, 0600), 2);
        become(probe, probe->candidate->nothing);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* The first line that the loader or the library said. */
static void read_said(const struct probe *probe, char *line, size_t size)
{
    FILE *file = fopen(probe->said, "re");
    if (!file || !fgets(line, (int)size, file))
        snprintf(line, size, "it said nothing");
    line[strcspn(line, "\n")] = '\0';
    if (file)
        fclose(file);
}

static bool loads(const struct probe *probe)
{
    char said[512];
    const char *name = probe->candidate->nothing[0];
    int status = run_nothing(probe);
    json_t *events = read_events(probe);
    json_t *start = event_of(events, "start"), *warning = event_of(events, "warning");
    bool good = status == 0 && start;
    read_said(probe, said, sizeof said);
    if (good && strcmp(text_of(start, "version"), PIPESHIM_VERSION) != 0)
        results_add(probe->results, VERDICT_WARN, "version",
                    "install the library and the tool of one build",
                    "%s is version %s, this tool is %s", probe->library, text_of(start, "version"),
                    PIPESHIM_VERSION);
    else if (good)
        results_add(probe->results, VERDICT_OK, "loads", NULL,
                    "%s starts with the library, version %s as this tool", name, PIPESHIM_VERSION);
    else if (status != 0)
        results_add(probe->results, VERDICT_FAIL, "loads",
                    "do not preload it here; take the library that is built for this system",
                    "%s does not run with the library: %s", name, said);
    else
        results_add(probe->results, VERDICT_FAIL, "loads",
                    "without a preload: pipeshim diagnose PID", "%s runs without the library: %s",
                    name, warning ? text_of(warning, "message") : said);
    json_decref(events);
    return good;
}

/* The parent: reads the stdout of the program, in which nothing comes, and not its stderr. */
static _Noreturn void be_parent(const struct probe *probe)
{
    int out[2], error[2];
    char byte;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (pipe(out) != 0 || pipe(error) != 0)
        _exit(1);
    pid_t program = fork();
    if (program == 0) {
        onto(open("/dev/null", O_RDONLY), 0);
        onto(out[1], 1);
        onto(error[1], 2);
        close(out[0]);
        close(error[0]);
        become(probe, probe->candidate->writes);
    }
    close(out[1]);
    close(error[1]);
    while (program > 0 && read(out[0], &byte, 1) > 0)
        ;
    _exit(1);
}

/* Waits until the log has the event. A new reference to it; NULL after PATIENCE_S. */
static json_t *await(const struct probe *probe, const char *kind)
{
    struct timespec moment = {0, POLL_MS * 1000000L};
    for (int left = PATIENCE_S * 1000 / POLL_MS; left > 0; left--) {
        json_t *events = read_events(probe);
        json_t *event = json_incref(event_of(events, kind));
        json_decref(events);
        if (event)
            return event;
        nanosleep(&moment, NULL);
    }
    return NULL;
}

static void judge_blocked(struct results *results, const json_t *blocked)
{
    const json_t *pipe_facts = json_object_get(blocked, "pipe");
    size_t frames = json_array_size(json_object_get(blocked, "stack"));
    if (!blocked) {
        results_add(results, VERDICT_FAIL, "sees", "send this to the maintainers, with uname -a",
                    "a write that is stuck on a full pipe was not reported within %d s",
                    PATIENCE_S);
        return;
    }
    results_add(results, VERDICT_OK, "sees", NULL,
                "a write that is stuck on a full pipe was reported after %.0f ms",
                json_number_value(json_object_get(blocked, "blocked_ms")));
    if (json_array_size(json_object_get(pipe_facts, "peers")) == 0)
        results_add(results, VERDICT_WARN, "peers",
                    "mount /proc without hidepid, or leave ProtectProc= out",
                    "who should read the pipe was not found: /proc hides other processes");
    if (frames < 2)
        results_add(results, VERDICT_WARN, "stack", "send this to the maintainers, with uname -a",
                    "the report has no stack of C functions (%zu frame%s)", frames,
                    frames == 1 ? "" : "s");
    else
        results_add(results, VERDICT_OK, "stack", NULL, "its stack has %zu frames", frames);
}

static void judge_deadlock(struct results *results, const json_t *deadlock)
{
    if (deadlock)
        results_add(results, VERDICT_OK, "deadlock", NULL,
                    "the deadlock with its parent was proved by two looks");
    else
        results_add(results, VERDICT_WARN, "deadlock",
                    "let the library read other processes of its user: CAP_SYS_PTRACE, or "
                    "kernel.yama.ptrace_scope=0",
                    "its parent, which reads its stdout only, was not found to be in a deadlock "
                    "with it");
}

static void sees(const struct probe *probe)
{
    unlink(probe->log);
    pid_t parent = fork();
    if (parent == 0)
        be_parent(probe);
    setpgid(parent, parent);
    json_t *blocked = parent < 0 ? NULL : await(probe, "blocked");
    judge_blocked(probe->results, blocked);
    json_t *deadlock = blocked ? await(probe, "deadlock") : NULL;
    if (blocked)
        judge_deadlock(probe->results, deadlock);
    json_decref(blocked);
    json_decref(deadlock);
    if (parent > 0) {
        kill(-parent, SIGKILL);
        while (waitpid(parent, NULL, 0) < 0 && errno == EINTR)
            ;
    }
}

/* The first candidate that is here and has a loader. */
static const struct candidate *choose(void)
{
    struct program program;
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (!program_find(candidates[i].nothing[0], &program) && program.is_ours &&
            program.loader[0] && !program.secure)
            return &candidates[i];
    return NULL;
}

void probe_run(struct results *results, const char *library)
{
    struct probe probe = {.results = results, .library = library, .candidate = choose()};
    const char *temporary = getenv("TMPDIR");
    if (!probe.candidate) {
        results_add(results, VERDICT_FAIL, "loads", "try it with a program: pipeshim doctor -- CMD",
                    "no dynamic program to prove it with: sh, bash, python3, perl and node are "
                    "missing or static");
        return;
    }
    if (temporary && strlen(temporary) > 32)
        temporary = NULL;
    snprintf(probe.folder, sizeof probe.folder, "%s/pipeshim-doctor-XXXXXX",
             temporary && *temporary ? temporary : "/tmp");
    if (!mkdtemp(probe.folder)) {
        results_add(results, VERDICT_FAIL, "loads", "set TMPDIR to a folder that can be written",
                    "no file can be made for the proof in %s: %s", probe.folder, strerror(errno));
        return;
    }
    snprintf(probe.log, sizeof probe.log, "%s/log", probe.folder);
    snprintf(probe.said, sizeof probe.said, "%s/said", probe.folder);
    if (loads(&probe))
        sees(&probe);
    unlink(probe.log);
    unlink(probe.said);
    rmdir(probe.folder);
}
