// SPDX-License-Identifier: MIT
#include "cli/run_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static bool refuse(const char *path, const char *why)
{
    fprintf(stderr, "pipeshim run: the log %s cannot be opened: %s; nothing was started\n", path,
            why);
    return false;
}

/* Only the folder can be tried when the name has %p: the file is made at the first event. */
static bool can_be_made(const char *path)
{
    char folder[4096];
    struct stat status;
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + (slash == path)) : 1,
             slash ? path : ".");
    if (strchr(folder, '%'))
        return true; /* a folder for each process: nobody knows yet */
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return refuse(path, "it is a directory");
    if (stat(path, &status) == 0 && access(path, W_OK) != 0)
        return refuse(path, strerror(errno));
    if (stat(folder, &status) != 0)
        return refuse(path, strerror(errno));
    if (!S_ISDIR(status.st_mode))
        return refuse(path, "its folder is none");
    if (access(path, F_OK) != 0 && access(folder, W_OK | X_OK) != 0)
        return refuse(path, strerror(errno));
    return true;
}

static bool log_can_be_opened(void)
{
    const char *path = getenv("PIPESHIM_LOG");
    if (!path || !*path || strcmp(path, "stderr") == 0 || strcmp(path, "syslog") == 0 ||
        strcmp(path, "journal") == 0 || strncmp(path, "fd:", 3) == 0)
        return true;
    return can_be_made(path);
}

static struct settings settings;

const struct settings *run_check_values(void)
{
    return &settings;
}

bool run_check_settings(void)
{
    bool right = true;
    settings_read(&settings, environ, &(struct program_names){0}, false, print_complaint, &right);
    return right && log_can_be_opened();
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
