// SPDX-License-Identifier: MIT
#include "cli/run_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/script_name.h"
#include "config/parse.h"
#include "config/settings.h"
#include "kernel/inherited_filter.h"

/* The library goes on with a default and says so; here nothing has begun yet. */
static void print_complaint(const char *line, void *context)
{
    bool *right = context;
    const char *using = strstr(line, "; using the default");
    size_t length = using ? (size_t)(using - line) : strlen(line);
    fprintf(stderr, "pipeshim run: %.*s; nothing was started\n", (int)length, line);
    *right = false;
}

static bool refuse(const char *what, const char *path, const char *why)
{
    fprintf(stderr, "pipeshim run: %s%s cannot be opened: %s; nothing was started\n", what, path,
            why);
    return false;
}

/* Only the folder can be tried when the name has %p: the file is made at the first event. */
static bool can_be_made(const char *what, const char *path)
{
    char folder[4096];
    struct stat status;
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + (slash == path)) : 1,
             slash ? path : ".");
    if (strchr(folder, '%'))
        return true; /* a folder for each process: nobody knows yet */
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return refuse(what, path, "it is a directory");
    if (stat(path, &status) == 0 && access(path, W_OK) != 0)
        return refuse(what, path, strerror(errno));
    if (stat(folder, &status) != 0)
        return refuse(what, path, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return refuse(what, path, "its folder is none");
    if (access(path, F_OK) != 0 && (errno == ENAMETOOLONG || access(folder, W_OK | X_OK) != 0))
        return refuse(what, path, strerror(errno));
    return true;
}

static bool is_writable_fd(const char *text)
{
    uint64_t number;
    int flags = parse_number(text, &number) ? fcntl((int)number, F_GETFL) : -1;
    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

static bool log_can_be_opened(const char *path)
{
    if (strncmp(path, "fd:", 3) == 0)
        return is_writable_fd(path + 3) ||
               refuse("the log ", path, "no such descriptor is open for writing");
    return strcmp(path, "stderr") == 0 || strcmp(path, "syslog") == 0 ||
           strcmp(path, "journal") == 0 || can_be_made("the log ", path);
}

static bool rules_can_be_read(const char *path)
{
    return !*path || access(path, R_OK) == 0 || refuse("PIPESHIM_SUPPRESS=", path, strerror(errno));
}

static bool is_made(const char *what, const char *path)
{
    return !*path || can_be_made(what, path);
}

static struct settings settings;

const struct settings *run_check_values(void)
{
    return &settings;
}

/* Where a process is left out nothing else is read: that is not for here to say. */
static bool leaves_out(const char *variable)
{
    return strncmp(variable, "PIPESHIM_ONLY=", 14) == 0 ||
           strncmp(variable, "PIPESHIM_SKIP=", 14) == 0 || strcmp(variable, "PIPESHIM=off") == 0;
}

static char **variables_to_check(void)
{
    size_t count = 0, kept = 0;
    while (environ && environ[count])
        count++;
    char **variables = calloc(count + 1, sizeof *variables);
    for (size_t i = 0; variables && i < count; i++)
        if (!leaves_out(environ[i]))
            variables[kept++] = environ[i];
    return variables;
}

static bool files_can_be_had(void)
{
    return log_can_be_opened(settings.text[SETTING_LOG]) &&
           rules_can_be_read(settings.text[SETTING_SUPPRESS]) &&
           is_made("PIPESHIM_METRICS=", settings.text[SETTING_METRICS]) &&
           is_made("PIPESHIM_DRAIN_SPOOL=", settings.text[SETTING_DRAIN_SPOOL]);
}

bool run_check_settings(const char *command)
{
    bool right = true;
    const char *name = path_last_part(command);
    char **variables = variables_to_check();
    settings_read(&settings, variables, &(struct program_names){0}, false, print_complaint, &right);
    right = right && files_can_be_had();
    free(variables);
    if (right)
        settings_read(&settings, environ, &(struct program_names){.executable = name}, false,
                      print_complaint, &right);
    return right;
}

void run_check_filter(void)
{
    const char *setting = getenv("PIPESHIM_SECCOMP");
    if (setting && strcmp(setting, "off") == 0) /* nothing is what is wanted */
        return;
    inherited_filter_prepare(environ);
    if (inherited_filter_read().verdict == FILTER_FORBIDS)
        fputs(
            "pipeshim run: a seccomp filter is in force that is not a container engine's, and may "
            "kill for any call; the library does nothing under it; --seccomp trust if it kills for "
            "none of the library's\n",
            stderr);
}
