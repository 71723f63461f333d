// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/script_name.h"
#include "cli/doctor/conditions.h"
#include "cli/program.h"
#include "kernel/proc_reader.h"
#include "kernel/status.h"

enum { ENVIRONMENT_LIMIT = 128 * 1024, VARIABLE_LIMIT = 4096 };

static const char LIBRARY_NAME[] = "/libpipeshim.so";

/* The path under which the library is mapped; false: it is not. */
static bool find_mapped(int pid, char *path, size_t size)
{
    char maps[PROC_PATH_LIMIT];
    struct line_reader lines;
    const char *line;
    bool found = false;
    proc_path(maps, pid, 0, "maps");
    if (lines_open(&lines, maps) != 0)
        return false;
    while (!found && (line = lines_next(&lines)) != NULL) {
        const char *slash = strchr(line, '/');
        found = slash && strstr(slash, LIBRARY_NAME);
        if (found)
            snprintf(path, size, "%s", slash);
    }
    lines_close(&lines);
    return found;
}

static bool has_watchdog(int pid)
{
    char path[PROC_PATH_LIMIT], name[64];
    struct directory tasks;
    bool found = false;
    int tid;
    proc_path(path, pid, 0, "task");
    if (directory_open(&tasks, path) != 0)
        return false;
    while (!found && directory_next_number(&tasks, &tid, NULL))
        found = proc_read_of(pid, tid, "comm", name, sizeof name) > 0 &&
                strcmp(name, "pipeshim\n") == 0;
    directory_close(&tasks);
    return found;
}

static const char *variable_of(char *const *environment, const char *name)
{
    size_t length = strlen(name);
    for (; *environment; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}

/* Why the library is not there. */
static void explain_missing_library(struct results *results, int pid, char *const *environment,
                                    const struct program *program)
{
    const char *restart = "start it anew: pipeshim run -- CMD, or LD_PRELOAD=…/libpipeshim.so; "
                          "until then: pipeshim diagnose PID";
    const char *preload = variable_of(environment, "LD_PRELOAD");
    const char *ours = preload ? strstr(preload, LIBRARY_NAME) : NULL;
    if (program->is_elf && !program->loader[0]) {
        results_add(results, VERDICT_FAIL, "process", "pipeshim diagnose PID needs no preload",
                    "process %d runs a static executable: LD_PRELOAD has no effect", pid);
    } else if (!ours) {
        results_add(results, VERDICT_FAIL, "process", restart,
                    "process %d was started without the library in LD_PRELOAD", pid);
    } else {
        char path[PATH_MAX], inside[PATH_MAX + 64];
        const char *start = ours;
        while (start > preload && start[-1] != ':' && start[-1] != ' ')
            start--;
        snprintf(path, sizeof path, "%.*s%s", (int)(ours - start), start, LIBRARY_NAME);
        snprintf(inside, sizeof inside, "/proc/%d/root%s", pid, path);
        if (access(inside, R_OK) != 0)
            results_add(results, VERDICT_FAIL, "process",
                        "install or mount the library there, in the container's own file system",
                        "process %d has %s in LD_PRELOAD, where it sees no such file", pid, path);
        else
            results_add(results, VERDICT_FAIL, "process", restart,
                        "process %d has %s in LD_PRELOAD and did not load it: setuid, another "
                        "machine's library, or the file came later",
                        pid, path);
    }
}

static void check_seccomp(struct results *results, int pid)
{
    struct status_field mode = {.name = "Seccomp", .base = 10};
    if (!status_read(pid, 0, &mode, 1) || mode.value == 0)
        return;
    if (has_watchdog(pid))
        results_add(results, VERDICT_INFO, "seccomp", NULL,
                    "process %d is under a seccomp filter: what it forbids is left out of reports",
                    pid);
    else
        results_add(
            results, VERDICT_WARN, "seccomp",
            "PIPESHIM_SECCOMP=trust, if it kills for none of the library's calls",
            "process %d is under a seccomp filter: if it was started under it, and it is not "
            "a container engine's, the library does nothing there",
            pid);
}

/* The strings of a file such as environ, as an array into `text`. */
static char **split_strings(char *text, long size)
{
    size_t count = 0;
    for (long i = 0; i < size; i++)
        count += text[i] == '\0';
    char **strings = calloc(count + 2, sizeof *strings);
    size_t used = 0;
    for (long at = 0; strings && at < size; at += (long)strlen(text + at) + 1)
        strings[used++] = text + at;
    return strings;
}

static const char *next_argument(void *context)
{
    char ***at = context;
    return **at ? *(*at)++ : NULL;
}

static void check_loaded(struct results *results, int pid, const char *path,
                         char *const *environment, const char *executable)
{
    char root[PROC_PATH_LIMIT];
    char *text = malloc(ENVIRONMENT_LIMIT);
    long size = text ? proc_read_start_of(pid, 0, "cmdline", text, ENVIRONMENT_LIMIT) : 0;
    char **arguments = split_strings(text, size > 0 ? size : 0);
    char **at = arguments;
    const char *script = arguments ? script_argument(next_argument, &at) : NULL;
    struct program_names names = {.executable = path_last_part(executable)};
    if (arguments && arguments[0])
        names.invoked = path_last_part(arguments[0]);
    if (script)
        names.script = path_last_part(script);
    if (strstr(path, " (deleted)"))
        results_add(results, VERDICT_WARN, "process", "start it anew to use the installed one",
                    "process %d runs a library that was replaced since: %s", pid, path);
    else
        results_add(results, VERDICT_OK, "process", NULL, "process %d has loaded %s", pid, path);
    proc_path(root, pid, 0, "root");
    check_settings(results, environment, &names, root);
    free(arguments);
    free(text);
    if (has_watchdog(pid))
        results_add(results, VERDICT_OK, "watchdog", NULL, "its calls are watched");
    else
        results_add(results, VERDICT_INFO, "watchdog", NULL,
                    "none of its calls has blocked yet: the library sleeps");
    check_seccomp(results, pid);
}

void check_process(struct results *results, int pid)
{
    char path[PROC_PATH_LIMIT], executable[PATH_MAX], mapped[PATH_MAX];
    struct program program;
    char *text = malloc(ENVIRONMENT_LIMIT);
    proc_path(path, pid, 0, "exe");
    ssize_t length = readlink(path, executable, sizeof executable - 1);
    proc_path(path, pid, 0, "environ");
    long size = text ? proc_read_start(path, text, ENVIRONMENT_LIMIT) : -ENOMEM;
    if (length < 0 || size < 0) {
        bool gone = (length < 0 ? errno : (int)-size) == ENOENT;
        results_add(results, VERDICT_FAIL, "process",
                    gone ? "name one that runs: pipeshim top shows them"
                         : "run the doctor as root or as the process's own user",
                    gone ? "there is no process %d, or it is ending"
                         : "process %d may not be read by this user",
                    pid);
        free(text);
        return;
    }
    executable[length] = '\0';
    char **environment = split_strings(text, size);
    proc_path(path, pid, 0, "exe");
    program_read(path, &program);
    if (!environment)
        results_add(results, VERDICT_FAIL, "process", NULL, "out of memory");
    else if (find_mapped(pid, mapped, sizeof mapped))
        check_loaded(results, pid, mapped, environment, executable);
    else
        explain_missing_library(results, pid, environment, &program);
    free(environment);
    free(text);
}
