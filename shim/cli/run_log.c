// SPDX-License-Identifier: MIT
#include "cli/run_log.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/names/event_names.h"

enum { GIVE_BACK_STEP = 1 << 20 };

/* A log that was there before the program started: only what comes after `size` is its own. */
struct run_log_old {
    dev_t device;
    ino_t inode;
    off_t size;
};

static bool say_error(const char *what)
{
    fprintf(stderr, "pipeshim run: %s: %s\n", what, strerror(errno));
    return false;
}

/* Root's programs often become somebody else and open their log then. The name of the folder cannot
 * be guessed, and what stands in the file is not trusted anyway. */
static bool make_private_file(struct run_log *log)
{
    const char *parent = getenv("TMPDIR");
    bool root = geteuid() == 0;
    if (!parent || *parent != '/')
        parent = "/tmp";
    if (asprintf(&log->directory, "%s/pipeshim-run-XXXXXX", parent) < 0) {
        log->directory = NULL;
        return say_error("out of memory");
    }
    if (!mkdtemp(log->directory)) {
        say_error(log->directory);
        free(log->directory);
        log->directory = NULL;
        return false;
    }
    if (asprintf(&log->path, "%s/log.jsonl", log->directory) < 0) {
        log->path = NULL;
        return say_error("out of memory");
    }
    log->fd = open(log->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (log->fd < 0)
        return say_error(log->path);
    if (root && (chmod(log->directory, 0711) != 0 || fchmod(log->fd, 0622) != 0))
        return say_error(log->path);
    return true;
}

static bool open_private(struct run_log *log)
{
    if (!make_private_file(log))
        return false;
    if (!log_reader_open(&log->reader, log->fd))
        return say_error("out of memory");
    log->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (log->inotify_fd >= 0 && inotify_add_watch(log->inotify_fd, log->path, IN_MODIFY) < 0) {
        close(log->inotify_fd);
        log->inotify_fd = -1;
    }
    /* A process with nothing to tell makes no file, but this one is there, and counts processes. */
    if (setenv("PIPESHIM_LOG", log->path, 1) != 0 || setenv("PIPESHIM_FORMAT", "json", 1) != 0 ||
        setenv("PIPESHIM_SUMMARY", "always", 0) != 0)
        return say_error("setenv");
    return true;
}

/* The logs that a path with %p, %e or %h may have become. */
static void find_logs(const char *path, glob_t *found)
{
    char *pattern = malloc(2 * strlen(path) + 1);
    char *to = pattern;
    for (const char *at = path; pattern && *at; at++) {
        if (at[0] == '%' && at[1] && strchr("peh", at[1])) {
            *to++ = '*';
            at++;
        } else {
            if (strchr("*?[\\", *at))
                *to++ = '\\';
            *to++ = *at;
        }
    }
    *found = (glob_t){0};
    if (pattern) {
        *to = '\0';
        glob(pattern, GLOB_NOSORT, NULL, found);
    }
    free(pattern);
}

static void note_old_logs(struct run_log *log)
{
    glob_t found;
    find_logs(log->path, &found);
    log->old = calloc(found.gl_pathc + 1, sizeof *log->old);
    for (size_t i = 0; log->old && i < found.gl_pathc; i++) {
        struct stat status;
        if (stat(found.gl_pathv[i], &status) == 0)
            log->old[log->old_count++] = (struct run_log_old){
                .device = status.st_dev, .inode = status.st_ino, .size = status.st_size};
    }
    globfree(&found);
}

bool run_log_open(struct run_log *log, bool json)
{
    const char *wanted = getenv("PIPESHIM_LOG");
    *log = (struct run_log){.fd = -1, .inotify_fd = -1};
    if (!wanted || !*wanted)
        return open_private(log);
    bool is_path = strcmp(wanted, "stderr") != 0 && strcmp(wanted, "syslog") != 0 &&
                   strcmp(wanted, "journal") != 0 && strncmp(wanted, "fd:", 3) != 0;
    log->kind = !is_path ? RUN_LOG_OTHER : json ? RUN_LOG_JSON : RUN_LOG_TEXT;
    log->path = strdup(wanted);
    if (is_path && log->path)
        note_old_logs(log);
    return log->path != NULL;
}

static void read_text(struct log_reader *reader, run_log_function *function, void *context)
{
    size_t length;
    for (const char *line; (line = log_reader_line(reader, &length)) != NULL;)
        function(context, line, length, NULL);
}

static void read_lines(struct log_reader *reader, run_log_function *function, void *context)
{
    size_t length;
    for (const char *line; (line = log_reader_line(reader, &length)) != NULL;) {
        json_t *event = log_line_parse(line, length);
        compact_frames_expand(&reader->modules, event);
        event_names_restore(event);
        if (event)
            function(context, line, length, event);
        else if (length > 0)
            reader->damaged++;
        json_decref(event);
    }
}

/* Frees the blocks of what was read; the file keeps its length, to which the library appends. */
static void give_back(struct run_log *log)
{
    uint64_t until = log->reader.bytes / GIVE_BACK_STEP * GIVE_BACK_STEP;
    if (until > log->given_back)
        fallocate(log->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)log->given_back,
                  (off_t)(until - log->given_back));
    log->given_back = until;
}

void run_log_follow(struct run_log *log, run_log_function *function, void *context)
{
    char events[4096];
    if (log->kind != RUN_LOG_PRIVATE)
        return;
    while (log->inotify_fd >= 0 && read(log->inotify_fd, events, sizeof events) > 0)
        ;
    read_lines(&log->reader, function, context);
    give_back(log);
}

static off_t old_size(const struct run_log *log, const struct stat *status)
{
    for (size_t i = 0; i < log->old_count; i++)
        if (log->old[i].device == status->st_dev && log->old[i].inode == status->st_ino)
            return log->old[i].size < status->st_size ? log->old[i].size : status->st_size;
    return 0;
}

static void read_user_log(struct run_log *log, const char *path, run_log_function *function,
                          void *context)
{
    struct stat status;
    struct log_reader reader;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
        lseek(fd, old_size(log, &status), SEEK_SET) >= 0 && log_reader_open(&reader, fd)) {
        (log->kind == RUN_LOG_TEXT ? read_text : read_lines)(&reader, function, context);
        log->reader.damaged += reader.damaged;
        log_reader_close(&reader);
    }
    close(fd);
}

void run_log_finish(struct run_log *log, run_log_function *function, void *context)
{
    run_log_follow(log, function, context);
    if (log->kind != RUN_LOG_JSON && log->kind != RUN_LOG_TEXT)
        return;
    glob_t found;
    find_logs(log->path, &found);
    for (size_t i = 0; i < found.gl_pathc; i++)
        read_user_log(log, found.gl_pathv[i], function, context);
    globfree(&found);
}

void run_log_close(struct run_log *log)
{
    if (log->kind == RUN_LOG_PRIVATE) {
        log_reader_close(&log->reader);
        if (log->path)
            unlink(log->path);
        if (log->directory)
            rmdir(log->directory);
    }
    if (log->fd >= 0)
        close(log->fd);
    if (log->inotify_fd >= 0)
        close(log->inotify_fd);
    free(log->directory);
    free(log->path);
    free(log->old);
    *log = (struct run_log){.fd = -1, .inotify_fd = -1};
}
