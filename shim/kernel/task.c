// SPDX-License-Identifier: MIT
#include "kernel/task.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "kernel/proc_reader.h"

enum { FILE_LIMIT = 256 };

/* Reads a small file of the thread's; returns its size or -errno. `text` is terminated. */
static long read_task_file(int tid, const char *file, char *text, size_t capacity)
{
    char path[64];
    struct text_buffer name;
    text_init(&name, path, sizeof path);
    text_string(&name, "/proc/self/task/");
    text_signed(&name, tid);
    text_char(&name, '/');
    text_string(&name, file);
    text[0] = '\0';
    long fd = raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fd;
    long size = raw_syscall(SYS_read, fd, text, capacity - 1);
    raw_syscall(SYS_close, fd);
    text[size > 0 ? size : 0] = '\0';
    return size;
}

static bool parse_number(const char **at, uint64_t *value)
{
    const char *p = *at;
    while (*p == ' ')
        p++;
    unsigned base = 10;
    if (p[0] == '0' && p[1] == 'x') {
        base = 16;
        p += 2;
    }
    const char *first = p;
    uint64_t number = 0;
    for (;; p++) {
        unsigned digit;
        if (*p >= '0' && *p <= '9')
            digit = (unsigned)(*p - '0');
        else if (base == 16 && *p >= 'a' && *p <= 'f')
            digit = (unsigned)(*p - 'a') + 10;
        else
            break;
        number = number * base + digit;
    }
    *at = p;
    *value = number;
    return p != first;
}

struct task_call task_read_call(int tid)
{
    char text[FILE_LIMIT];
    struct task_call call = {.status = TASK_RUNNING, .number = -1};
    long size = read_task_file(tid, "syscall", text, sizeof text);
    if (size < 0) {
        call.status = size == -EACCES || size == -EPERM ? TASK_UNREADABLE : TASK_GONE;
        return call;
    }
    /* "running", "-1 sp pc" (blocked outside of a call) or "number six-arguments sp pc". */
    const char *at = text;
    uint64_t number;
    if (*at == '-' || !parse_number(&at, &number))
        return call;
    for (unsigned i = 0; i < 6; i++)
        if (!parse_number(&at, &call.arguments[i]))
            return call;
    if (!parse_number(&at, &call.sp) || !parse_number(&at, &call.pc))
        return call;
    call.number = (long)number;
    call.status = TASK_IN_CALL;
    return call;
}

bool task_schedule_ns(int tid, uint64_t *run_time, uint64_t *delay)
{
    char text[FILE_LIMIT];
    const char *at = text;
    return read_task_file(tid, "schedstat", text, sizeof text) > 0 && parse_number(&at, run_time) &&
           parse_number(&at, delay);
}

uint64_t task_run_time_ns(int tid)
{
    uint64_t run_time;
    uint64_t delay;
    return task_schedule_ns(tid, &run_time, &delay) ? run_time : 0;
}

void task_wait_channel(int tid, char *name, size_t capacity)
{
    if (read_task_file(tid, "wchan", name, capacity) <= 0 || strcmp(name, "0") == 0)
        name[0] = '\0';
}

void task_name(int tid, char *name, size_t capacity)
{
    long size = read_task_file(tid, "comm", name, capacity);
    if (size > 0 && name[size - 1] == '\n')
        name[size - 1] = '\0';
}

int task_first_exit_status(void)
{
    char stat[1024];
    long size = proc_read("/proc/self/stat", stat, sizeof stat);
    const char *last = size > 0 ? strrchr(stat, ' ') : NULL;
    uint64_t code = 0;
    if (last) { /* field 52, exit_code, as wait(2) gives it */
        last++;
        parse_number(&last, &code);
    }
    return (int)(code >> 8 & 0xff);
}

struct linux_dirent64 {
    uint64_t d_ino;
    int64_t d_off;
    uint16_t d_reclen;
    uint8_t d_type;
    char d_name[];
};

void task_for_each(bool (*visit)(int tid, void *context), void *context)
{
    static char entries[16 * 1024] __attribute__((aligned(8))); /* child: scratch */
    long directory =
        raw_syscall(SYS_openat, AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return;
    bool more = true;
    long size;
    while (more && (size = raw_syscall(SYS_getdents64, directory, entries, sizeof entries)) > 0) {
        for (long offset = 0; more && offset < size;) {
            const struct linux_dirent64 *entry = (const void *)(entries + offset);
            const char *at = entry->d_name;
            uint64_t tid;
            if (parse_number(&at, &tid))
                more = visit((int)tid, context);
            offset += entry->d_reclen;
        }
    }
    raw_syscall(SYS_close, directory);
}
