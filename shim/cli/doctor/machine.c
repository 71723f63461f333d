// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/doctor/conditions.h"
#include "kernel/inherited_filter.h"
#include "kernel/proc_reader.h"

enum { OLDEST_MAJOR = 4, OLDEST_MINOR = 14 };

static void check_kernel(struct results *results)
{
    struct utsname system;
    char *end = system.release;
    long major = 0, minor = 0;
    if (uname(&system) == 0 && (major = strtol(system.release, &end, 10)) > 0 && *end == '.')
        minor = strtol(end + 1, NULL, 10);
    if (major <= 0)
        results_add(results, VERDICT_WARN, "kernel", NULL, "the kernel's version is not known");
    else if (major < OLDEST_MAJOR || (major == OLDEST_MAJOR && minor < OLDEST_MINOR))
        results_add(results, VERDICT_FAIL, "kernel", "use Linux 4.14 or later",
                    "Linux %s; expected 4.14 or later", system.release);
    else
        results_add(results, VERDICT_OK, "kernel", NULL, "Linux %s, %s", system.release,
                    system.machine);
}

static void check_proc(struct results *results)
{
    char text[64];
    struct stat status;
    if (stat("/proc/self/stat", &status) != 0) {
        results_add(results, VERDICT_FAIL, "proc", "mount -t proc proc /proc",
                    "/proc is not mounted: who holds a pipe cannot be seen");
        return;
    }
    if (stat("/proc/1", &status) != 0)
        results_add(results, VERDICT_WARN, "proc",
                    "mount /proc without hidepid, or leave ProtectProc= out",
                    "/proc hides processes of other users: they are not named as peers");
    if (proc_read("/proc/sys/kernel/yama/ptrace_scope", text, sizeof text) > 0 && text[0] != '0' &&
        getuid() != 0)
        results_add(results, VERDICT_INFO, "ptrace", NULL,
                    "kernel.yama.ptrace_scope is %c: peers that are no children are named, what "
                    "they wait in is not",
                    text[0]);
}

/* What is started here would be under it as well. */
static void check_filter(struct results *results)
{
    inherited_filter_prepare(environ);
    if (inherited_filter_read().verdict == FILTER_FORBIDS)
        results_add(
            results, VERDICT_FAIL, "seccomp",
            "PIPESHIM_SECCOMP=trust, if it kills for none of the library's calls",
            "a seccomp filter is in force that is not a container engine's and may kill for "
            "any call: the library does nothing under it");
}

void check_machine(struct results *results)
{
    check_kernel(results);
    check_filter(results);
    check_proc(results);
}

void check_library(struct results *results, const char *library)
{
    char path[PATH_MAX], part[PATH_MAX];
    struct stat status;
    if (strpbrk(library, " :"))
        results_add(results, VERDICT_FAIL, "library", "install it in a folder without them",
                    "LD_PRELOAD cannot hold %s: it has a blank or a colon", library);
    snprintf(path, sizeof path, "%s", library);
    for (size_t at = 1; at <= strlen(path); at++) {
        if (path[at] != '/' && path[at] != '\0')
            continue;
        snprintf(part, sizeof part, "%.*s", (int)at, path);
        mode_t wanted = path[at] ? S_IXOTH : S_IROTH;
        if (stat(part, &status) == 0 && !(status.st_mode & wanted)) {
            results_add(results, VERDICT_WARN, "library", "install it where all users can read it",
                        "%s is closed to other users: their programs start without the library",
                        part);
            return;
        }
    }
    results_add(results, VERDICT_OK, "library", NULL, "%s", library);
}

static void on_complaint(const char *line, void *context)
{
    results_add((struct results *)context, VERDICT_FAIL, "settings", "set it right, or unset it",
                "%s", line);
}

/* Of a path with %p, %e and %h: what stands before the first of them names the folder. */
static void check_log_path(struct results *results, const char *log, const char *root)
{
    char path[2 * PATH_MAX], folder[2 * PATH_MAX];
    struct stat status;
    snprintf(path, sizeof path, "%s%s", root, log);
    snprintf(folder, sizeof folder, "%s", path);
    folder[strcspn(folder, "%")] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    else
        strcpy(folder, ".");
    if (stat(folder, &status) != 0 || !S_ISDIR(status.st_mode))
        results_add(results, VERDICT_FAIL, "log", "make the folder, or name another one",
                    "PIPESHIM_LOG=%s: there is no folder %s", log, folder + strlen(root));
    else if (stat(path, &status) == 0 ? access(path, W_OK) != 0 : access(folder, W_OK | X_OK) != 0)
        results_add(results, VERDICT_FAIL, "log", "let the program's user write there",
                    "PIPESHIM_LOG=%s cannot be written: %s", log, strerror(errno));
    else
        results_add(results, VERDICT_OK, "log", NULL, "PIPESHIM_LOG=%s can be written", log);
}

static void check_log(struct results *results, const char *log, const char *root)
{
    struct stat status;
    if (strncmp(log, "fd:", 3) == 0) {
        if (!*root && fcntl((int)strtol(log + 3, NULL, 10), F_GETFD) < 0)
            results_add(results, VERDICT_FAIL, "log", "open it before the program starts",
                        "PIPESHIM_LOG=%s: that descriptor is not open", log);
        return;
    }
    const char *socket = strcmp(log, "syslog") == 0    ? "/dev/log"
                         : strcmp(log, "journal") == 0 ? "/run/systemd/journal/socket"
                                                       : NULL;
    if (socket) {
        char path[PATH_MAX + 64];
        snprintf(path, sizeof path, "%s%s", root, socket);
        if (stat(path, &status) != 0)
            results_add(results, VERDICT_FAIL, "log",
                        "start the service, mount its socket, or log to a path",
                        "PIPESHIM_LOG=%s: there is no %s", log, socket);
    } else if (strcmp(log, "stderr") != 0) {
        check_log_path(results, log, root);
    }
}

void check_settings(struct results *results, char *const *environment,
                    const struct program_names *names, const char *root)
{
    static struct settings settings;
    static const struct program_names nobody;
    settings_read(&settings, environment, names ? names : &nobody, false, on_complaint, results);
    if (settings_are_active(&settings))
        check_log(results, settings.text[SETTING_LOG], root);
    else if (settings.number[SETTING_ENABLED] == 0)
        results_add(results, VERDICT_FAIL, "active", "unset PIPESHIM",
                    "PIPESHIM=off: the library is loaded and does nothing");
    else if (names)
        results_add(results, VERDICT_FAIL, "active", "change PIPESHIM_ONLY or PIPESHIM_SKIP",
                    "PIPESHIM_ONLY=%s PIPESHIM_SKIP=%s leave %s out", settings.text[SETTING_ONLY],
                    settings.text[SETTING_SKIP], names->script ? names->script : names->executable);
}
