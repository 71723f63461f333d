// SPDX-License-Identifier: MIT
#include "report/suppress.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "base/utf8.h"
#include "config/glob.h"
#include "kernel/short_process.h"

enum { RULE_LIMIT = 256, FILE_LIMIT = 32 * 1024 };
enum rule_kind {
    RULE_FUNCTION,
    RULE_MODULE,
    RULE_PYTHON,
    RULE_JAVASCRIPT,
    RULE_CALL,
    RULE_CLASS,
    RULE_KINDS
};

static const char kind_names[RULE_KINDS][12] = {
    "function:", "module:", "python:", "javascript:", "call:", "class:"};

/* child: constant */
static struct {
    enum rule_kind kind;
    const char *pattern;
    unsigned size;
} rules[RULE_LIMIT];
static unsigned rule_count; /* child: constant */

static void complain_of(const char *before, const char *what, size_t size, const char *after,
                        void (*complain)(const char *, void *), void *context)
{
    char line[512];
    struct text_buffer text;
    text_init(&text, line, sizeof line);
    text_string(&text, before);
    text_printable_part(&text, what, size < 200 ? size : 200);
    text_string(&text, after);
    complain(line, context);
}

static bool add_rule(const char *line, unsigned size)
{
    for (int kind = 0; kind < RULE_KINDS; kind++) {
        unsigned length = (unsigned)strlen(kind_names[kind]);
        if (size <= length || strncmp(line, kind_names[kind], length) != 0)
            continue;
        if (rule_count == RULE_LIMIT)
            return false;
        rules[rule_count].kind = (enum rule_kind)kind;
        rules[rule_count].pattern = line + length;
        rules[rule_count++].size = size - length;
        return true;
    }
    return false;
}

void suppress_parse(const char *text, unsigned size,
                    void (*complain)(const char *line, void *context), void *context)
{
    rule_count = 0;
    for (unsigned at = 0; at < size;) {
        const char *line = text + at;
        const char *newline = memchr(line, '\n', size - at);
        unsigned length = newline ? (unsigned)(newline - line) : size - at;
        at += length + 1;
        const char *comment = memchr(line, '#', length);
        if (comment)
            length = (unsigned)(comment - line);
        while (length > 0 &&
               (line[length - 1] == ' ' || line[length - 1] == '\t' || line[length - 1] == '\r'))
            length--;
        while (length > 0 && (*line == ' ' || *line == '\t')) {
            line++;
            length--;
        }
        if (length > 0 && !add_rule(line, length))
            complain_of("PIPESHIM_SUPPRESS: '", line, length,
                        "' is no rule; expected function:, module:, python:, javascript:, call: or "
                        "class: and a "
                        "pattern, 256 rules at most; the line is ignored",
                        complain, context);
    }
}

/* A file that is not read yet. */
static struct {
    const char *path;
    long result; /* its size, or -errno */
    char text[FILE_LIMIT];
} file; /* child: constant */

static long read_file(void)
{
    long fd = raw_syscall(SYS_openat, AT_FDCWD, file.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fd;
    long size = raw_syscall(SYS_read, fd, file.text, sizeof file.text);
    raw_syscall(SYS_close, fd);
    return size;
}

static int reader_main(void)
{
    short_process_leave_fd_table();
    raw_syscall(SYS_prctl, PR_SET_NAME, "pipeshim-rules", 0, 0, 0);
    file.result = read_file();
    return 0;
}

/* The file system may hang, and the start of the program must not. */
static long read_file_in_time(void)
{
    enum { PATIENCE_NS = 50 * NS_PER_MS };
    static struct short_process reader; /* child: constant */
    file.result = -EAGAIN;
    long stack = raw_syscall(SYS_mmap, 0, SHORT_PROCESS_STACK, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if ((stack < 0 && stack > -4096) || !short_process_start(&reader, (char *)stack, reader_main))
        return -ENOMEM;
    if (!short_process_wait(&reader, clock_monotonic_ns() + PATIENCE_NS)) {
        short_process_kill(&reader); /* it keeps its stack */
        return -ETIMEDOUT;
    }
    raw_syscall(SYS_munmap, stack, SHORT_PROCESS_STACK);
    return file.result;
}

static const char *reason(long error)
{
    switch (error) {
    case -ETIMEDOUT:
        return ": was not read within 50 ms (a file system that hangs?); nothing is suppressed";
    case -ENOMEM:
        return ": no process can be made to read it (memory or RLIMIT_NPROC?); nothing is "
               "suppressed";
    default:
        return ": cannot be read; expected a readable file of rules; nothing is suppressed";
    }
}

void suppress_load(const char *path, void (*complain)(const char *line, void *context),
                   void *context)
{
    file.path = path;
    long size = read_file_in_time();
    if (size < 0)
        complain_of("PIPESHIM_SUPPRESS=", path, strlen(path), reason(size), complain, context);
    else
        suppress_parse(file.text, (unsigned)size, complain, context);
}

static bool fits(unsigned rule, const char *text)
{
    return glob_match(rules[rule].pattern, rules[rule].size, text);
}

static bool rule_matches(unsigned rule, const struct incident *incident, const char *class_name)
{
    if (rules[rule].kind == RULE_CALL)
        return fits(rule, incident->call);
    if (rules[rule].kind == RULE_CLASS)
        return fits(rule, class_name);
    for (unsigned i = 0; rules[rule].kind == RULE_PYTHON && i < incident->python_count; i++)
        if (fits(rule, incident->python[i].function) || fits(rule, incident->python[i].file))
            return true;
    for (unsigned i = 0; rules[rule].kind == RULE_JAVASCRIPT && i < incident->javascript_count; i++)
        if (fits(rule, incident->javascript[i].function) ||
            fits(rule, incident->javascript[i].file))
            return true;
    for (unsigned i = 0; i < incident->frame_count; i++) {
        const struct stack_frame_name *frame = &incident->frames[i];
        const char *slash = strrchr(frame->module, '/');
        if (rules[rule].kind == RULE_FUNCTION && fits(rule, frame->symbol))
            return true;
        if (rules[rule].kind == RULE_MODULE &&
            (fits(rule, frame->module) || (slash && fits(rule, slash + 1))))
            return true;
    }
    return false;
}

bool suppress_match(const struct incident *incident, const char *class_name)
{
    for (unsigned rule = 0; rule < rule_count; rule++)
        if (rule_matches(rule, incident, class_name))
            return true;
    return false;
}
