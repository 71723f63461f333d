// SPDX-License-Identifier: MIT
#include "cli/relay/relay_log.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "report/log_path.h"

static const struct run_log *to;
static char executable[PATH_MAX];
static const char *name;
static pid_t program;
static int seq;

static const char *executable_name(void)
{
    return name;
}

static const char *host_name(void)
{
    static char host[HOST_NAME_MAX + 1];
    gethostname(host, sizeof host - 1);
    return host;
}

void relay_log_open(const struct run_log *log, const char *command, pid_t pid)
{
    char link[64];
    to = log;
    program = pid;
    snprintf(link, sizeof link, "/proc/%d/exe", (int)pid);
    ssize_t length = readlink(link, executable, sizeof executable - 1);
    if (length <= 0)
        snprintf(executable, sizeof executable, "%s", command);
    const char *slash = strrchr(executable, '/');
    name = slash ? slash + 1 : executable;
}

bool relay_log_expand(const char *pattern, char path[LOG_PATH_LIMIT])
{
    char folder[LOG_PATH_LIMIT];
    return getcwd(folder, sizeof folder) &&
           log_path_expand(pattern, folder, executable_name, host_name, program, path);
}

void relay_log_warning(const char *words)
{
    json_t *event = json_object();
    json_object_set_new(event, "message", json_string(words));
    relay_log_event("warning", event, words);
}

static int open_log(void)
{
    char path[LOG_PATH_LIMIT];
    if (to->kind == RUN_LOG_OTHER)
        return dup(STDERR_FILENO);
    if (!relay_log_expand(to->path, path))
        return -1;
    if (to->kind == RUN_LOG_PRIVATE)
        return open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    return (int)log_path_open(path);
}

/* A line that does not fit into a full pipe at once is dropped. */
static void write_line(const char *line, size_t length)
{
    struct iovec part = {(char *)line, length};
    int fd = open_log();
    if (fd < 0)
        return;
    if (pwritev2(fd, &part, 1, -1, RWF_NOWAIT) < 0 && to->kind != RUN_LOG_OTHER) {
        ssize_t unused = write(fd, line, length);
        (void)unused;
    }
    close(fd);
}

static void put_common(json_t *event, const char *kind)
{
    struct timespec now;
    struct tm utc;
    char time[64];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t length = strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(time + length, sizeof time - length, ".%06ldZ", now.tv_nsec / 1000);
    json_object_set_new(event, "event", json_string(kind));
    json_object_set_new(event, "v", json_integer(1));
    json_object_set_new(event, "seq", json_integer(++seq));
    json_object_set_new(event, "time", json_string(time));
    json_object_set_new(event, "pid", json_integer(program));
    json_object_set_new(event, "tid", json_integer(program));
    json_object_set_new(event, "exe", json_string(executable));
    json_object_set_new(event, "thread", json_string(name));
}

int relay_log_event(const char *kind, json_t *event, const char *words)
{
    char *line = NULL;
    int length = -1;
    json_t *fields = event;
    event = json_object();
    if (!event || !fields)
        return 0;
    put_common(event, kind);
    json_object_update(event, fields);
    json_decref(fields);
    if (to->kind == RUN_LOG_PRIVATE || to->kind == RUN_LOG_JSON) {
        char *text = json_dumps(event, JSON_COMPACT);
        length = text ? asprintf(&line, "%s\n", text) : -1;
        free(text);
    } else {
        length = asprintf(&line, "pipeshim: %s[%d] %s\n", name, (int)program, words);
    }
    if (length > 0)
        write_line(line, (size_t)length);
    if (length >= 0)
        free(line);
    json_decref(event);
    return seq;
}
