// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/script_name.h"
#include "cli/doctor/conditions.h"
#include "cli/program.h"

/* What would be preloaded into it: what the user preloads already stays loaded. */
static void set_preload(const char *library)
{
    const char *before = getenv("LD_PRELOAD");
    char *both = NULL;
    if (before && *before && asprintf(&both, "%s:%s", library, before) > 0)
        setenv("LD_PRELOAD", both, 1);
    else
        setenv("LD_PRELOAD", library, 1);
    free(both);
}

/* Asks the loader of glibc for what it would load (ld.so(8), LD_TRACE_LOADED_OBJECTS, as ldd does):
 * no code of the program runs. The output as a stream; NULL: it could not be started. */
static FILE *trace(const char *path, const char *library, pid_t *child)
{
    int output[2];
    if (pipe2(output, O_CLOEXEC) != 0)
        return NULL;
    *child = fork();
    if (*child == 0) {
        dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
        dup2(output[1], 1);
        dup2(output[1], 2);
        set_preload(library);
        setenv("LD_TRACE_LOADED_OBJECTS", "1", 1);
        execl(path, path, (char *)NULL);
        _exit(127);
    }
    close(output[1]);
    FILE *stream = *child > 0 ? fdopen(output[0], "re") : NULL;
    if (!stream)
        close(output[0]);
    return stream;
}

static void check_loader(struct results *results, const struct program *program,
                         const char *library)
{
    char *line = NULL, complaint[512] = "";
    size_t size = 0;
    bool listed = false;
    pid_t child = -1;
    int status = -1;
    FILE *stream = trace(program->path, library, &child);
    while (stream && getline(&line, &size, stream) > 0) {
        line[strcspn(line, "\n")] = '\0';
        bool wrong = strstr(line, "not found") || strstr(line, "cannot be preloaded");
        listed |= !wrong && strstr(line, library) != NULL;
        if (wrong && !complaint[0])
            snprintf(complaint, sizeof complaint, "%s", line + strspn(line, " \t"));
    }
    free(line);
    if (stream)
        fclose(stream);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (listed && status == 0 && !complaint[0])
        results_add(results, VERDICT_OK, "program", NULL, "the loader of %s takes the library",
                    program->path);
    else
        results_add(results, VERDICT_FAIL, "program",
                    "take the library that is built for this system",
                    "the loader of %s does not take the library: %s", program->path,
                    complaint[0] ? complaint : "it does not list it");
}

void check_command(struct results *results, const char *command, const char *library)
{
    struct program program;
    const char *problem = program_find(command, &program);
    const char *without = "what it waits for can be seen without a preload: pipeshim diagnose PID";
    if (problem)
        results_add(results, VERDICT_FAIL, "program",
                    "name a program that is in PATH and may be run, or its path", "%s: %s", command,
                    problem);
    else if (!program.is_elf)
        results_add(results, VERDICT_FAIL, "program", "name the program that runs it",
                    "%s is neither an ELF file nor a script", program.path);
    else if (!program.is_ours)
        results_add(results, VERDICT_FAIL, "program", without,
                    "%s is for another machine than the library (32 bits, or another processor)",
                    program.path);
    else if (program.is_go)
        results_add(results, VERDICT_FAIL, "program", without,
                    "%s is a Go program: it makes system calls of its own, without the C library",
                    program.path);
    else if (!program.loader[0])
        results_add(results, VERDICT_FAIL, "program", without,
                    "%s is a static executable: it has no loader that could preload anything",
                    program.path);
    else if (program.secure)
        results_add(results, VERDICT_FAIL, "program", without,
                    "%s is setuid, setgid or has file capabilities: the loader ignores LD_PRELOAD",
                    program.path);
    else if (!program_has_glibc(&program))
        results_add(results, VERDICT_FAIL, "program", without,
                    "%s is of another C library than glibc (%s): the library loads and does "
                    "nothing",
                    program.path, program.loader);
    else
        check_loader(results, &program, library);
    if (!problem) {
        struct program_names names = {.executable = path_last_part(program.path),
                                      .invoked = path_last_part(command)};
        if (program.script[0])
            names.script = path_last_part(program.script);
        check_settings(results, environ, &names, "");
    }
}
