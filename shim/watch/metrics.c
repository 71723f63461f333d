// SPDX-License-Identifier: MIT
#include "watch/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "kernel/rights.h"
#include "kernel/short_process.h"
#include "process/executable.h"
#include "process/filters.h"
#include "process/life.h"
#include "report/log.h"
#include "report/log_path.h"
#include "report/metrics_text.h"
#include "report/reporter.h"
#include "report/status_page.h"

enum {
    FIRST_AFTER_NS = NS_PER_S, /* a short-lived command leaves no file, not even for a moment */
};

/* The writer's stack, the text and the names, mapped at the first file.
 * child: kept, a copy of its own */
static struct memory {
    char stack[SHORT_PROCESS_STACK] __attribute__((aligned(64)));
    char text[METRICS_GROUP_SIZE];
    struct status_page page; /* with its series bounded */
    char path[LOG_PATH_LIMIT];
    char temporary[LOG_PATH_LIMIT];
} * memory;

static char directory[LOG_PATH_LIMIT]; /* before a relative path; child: constant */
/* A forked child is not `owner`: metrics_poll() begins anew there, from begin(). */
static int owner;           /* whose the rest is; child: kept, it is compared */
static uint64_t next_write; /* child: kept, begin() sets it anew */
static size_t length;       /* of the text; 0: the file is to be removed; child: kept, as above */
static bool was_reported;   /* that it cannot be; child: kept, as above */
static bool is_off;         /* child: kept, what was wrong stays wrong */
static struct short_process writer; /* child: kept, begin() sets it anew */
static _Atomic long write_error;    /* child: kept, as above */

static const char *pattern(void)
{
    return settings.text[SETTING_METRICS];
}

void metrics_prepare(void)
{
    if (*pattern() && *pattern() != '/' &&
        (raw_syscall(SYS_getcwd, directory, sizeof directory) < 0 || directory[0] != '/'))
        directory[0] = '\0';
}

static long write_all(long fd)
{
    for (size_t at = 0; at < length;) {
        long written = raw_syscall(SYS_write, fd, memory->text + at, length - at);
        if (written <= 0)
            return written < 0 ? written : -ENOSPC;
        at += (size_t)written;
    }
    /* The collector is another user as a rule. */
    return raw_syscall(SYS_fchmod, fd, 0644);
}

/* A name of our own that nobody else can have made into something else: O_EXCL follows no link. */
static long replace_file(void)
{
    enum { FLAGS = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC };
    raw_syscall(SYS_unlinkat, AT_FDCWD, memory->temporary, 0);
    long fd = raw_syscall(SYS_openat, AT_FDCWD, memory->temporary, FLAGS, 0600);
    if (fd < 0)
        return fd;
    long error = write_all(fd);
    raw_syscall(SYS_close, fd);
    if (error >= 0)
        error = raw_syscall(SYS_renameat, AT_FDCWD, memory->temporary, AT_FDCWD, memory->path);
    if (error < 0)
        raw_syscall(SYS_unlinkat, AT_FDCWD, memory->temporary, 0);
    return error;
}

static int writer_main(void)
{
    short_process_leave_fd_table();
    raw_syscall(SYS_prctl, PR_SET_NAME, "pipeshim-metric", 0, 0, 0);
    if (length > 0)
        atomic_store(&write_error, replace_file());
    else
        raw_syscall(SYS_unlinkat, AT_FDCWD, memory->path, 0);
    return 0;
}

static bool start_writer(void)
{
    return short_process_start(&writer, memory->stack, writer_main);
}

static bool make_paths(void)
{
    int pid = atomic_load(&life->pid);
    struct text_buffer text;
    if (!log_path_expand(pattern(), directory, executable_name, log_host, pid, memory->path))
        return false;
    text_init(&text, memory->temporary, sizeof memory->temporary);
    text_format(&text, "%s.%d.tmp", memory->path, pid);
    return !text.truncated;
}

static bool begin(uint64_t now)
{
    owner = atomic_load(&life->pid);
    next_write = now + FIRST_AFTER_NS;
    was_reported = is_off = false;
    writer.to_reap = 0;
    atomic_store(&writer.tid, 0);
    atomic_store(&write_error, 0);
    if (memory)
        return make_paths();
    long made = raw_syscall(SYS_mmap, 0, sizeof *memory, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made < 0 && made > -4096)
        return false;
    memory = (struct memory *)made;
    return make_paths();
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);
    return size >= strlen(end) && strcmp(text + size - strlen(end), end) == 0;
}

static void render(uint64_t now)
{
    char labels[METRICS_LABELS_LIMIT], value[METRICS_LABELS_LIMIT];
    struct text_buffer text;
    text_init(&text, labels, sizeof labels);
    metrics_label(&text, "exe", executable_name());
    if (strstr(pattern(), "%p")) {
        struct text_buffer pid;
        text_init(&pid, value, sizeof value);
        text_signed(&pid, owner);
        metrics_label(&text, "pid", value);
    }
    if (settings.text[SETTING_METRICS_LABELS][0])
        text_char(&text, ',');
    for (const char *p = settings.text[SETTING_METRICS_LABELS]; *p; p++)
        /* name=value,name=value: checked when it was read */
        if (*p == '=')
            text_string(&text, "=\"");
        else if (*p == ',')
            text_string(&text, "\",");
        else
            text_char(&text, *p);
    if (settings.text[SETTING_METRICS_LABELS][0])
        text_char(&text, '"');
    memset(&memory->page, 0, sizeof memory->page);
    metrics_add(&memory->page, status_page(), true);
    struct metrics_group group = {.labels = labels, .page = &memory->page};
    metrics_see(&group, status_page());
    text_init(&text, memory->text, sizeof memory->text);
    metrics_render(&text, &group, 1, NULL, now, !ends_with(memory->path, ".prom"));
    length = text.truncated ? 0 : text.length;
}

static void complain(long error)
{
    char line[LOG_PATH_LIMIT + 256];
    struct text_buffer text;
    was_reported = true;
    text_init(&text, line, sizeof line);
    text_format(&text, "PIPESHIM_METRICS=%s: cannot be written: ", memory->path);
    log_path_explain(error, &text);
    text_string(&text, "; it is tried again each time, and not told again");
    report_line(line);
}

uint64_t metrics_poll(uint64_t now)
{
    if (!*pattern() || is_off)
        return UINT64_MAX;
    if (owner != atomic_load(&life->pid) && !begin(now)) {
        report_line("PIPESHIM_METRICS: no memory, or the path is too long; nothing is written");
        is_off = true;
        return UINT64_MAX;
    }
    if (filters_forbid() & FORBIDS_METRICS) {
        report_line("PIPESHIM_METRICS: this program's seccomp filter forbids to write it; no more "
                    "is written");
        is_off = true;
        return UINT64_MAX;
    }
    if (!short_process_is_gone(&writer))
        return now + NS_PER_S;
    long error = atomic_exchange(&write_error, 0);
    if (error < 0 && !was_reported)
        complain(error);
    if (now < next_write)
        return next_write;
    next_write = now + settings.number[SETTING_METRICS_EVERY];
    render(now);
    if (!rights_hold())
        return UINT64_MAX;
    if (length > 0 && !start_writer() && !was_reported) {
        was_reported = true;
        report_line(
            "PIPESHIM_METRICS: no process can be made to write it (memory or RLIMIT_NPROC?)");
    }
    /* Soon, to see what came of it. */
    return now + NS_PER_S < next_write ? now + NS_PER_S : next_write;
}

void metrics_finish(uint64_t deadline_ns)
{
    if (!*pattern() || is_off || !memory || owner != atomic_load(&life->pid) ||
        (filters_forbid() & FORBIDS_METRICS) || !short_process_wait(&writer, deadline_ns) ||
        length == 0)
        return;
    length = 0; /* remove it */
    if (start_writer())
        short_process_wait(&writer, clock_monotonic_ns() + 20 * (uint64_t)NS_PER_MS);
}

void metrics_stop(void)
{
    if (owner == atomic_load(&life->pid))
        short_process_stop(&writer);
}
