// SPDX-License-Identifier: MIT
#include "kernel/source_line.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"

enum { PATH_LIMIT = 1024, FILE_LIMIT = 4 << 20, TICKS_IN_A_SECOND = 100 /* USER_HZ, proc(5) */ };

/* When a process began, in ns since the epoch, to a tick; 0 unknown. */
static int64_t start_of(int pid)
{
    char text[512];
    struct stat_line stat;
    struct timespec boot = {0};
    if (proc_read_of(pid, 0, "stat", text, sizeof text) <= 0 || !parse_stat(text, &stat) ||
        raw_syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &boot) < 0)
        return 0;
    int64_t booted = (int64_t)clock_realtime_ns() - boot.tv_sec * (int64_t)NS_PER_S - boot.tv_nsec;
    return booted + (int64_t)(stat.start_ticks * (NS_PER_S / TICKS_IN_A_SECOND));
}

static bool is_of_our_user(int pid)
{
    char path[PROC_PATH_LIMIT];
    struct statx process = {0};
    proc_path(path, pid, 0, "");
    return raw_syscall(SYS_statx, AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_UID, &process) == 0 &&
           process.stx_uid == (uint32_t)raw_syscall(SYS_geteuid);
}

/* A script that a launcher writes and starts at once is as old as its process, to a tick. */
static bool changed_after(const struct statx *file, int64_t start)
{
    int64_t changed = file->stx_mtime.tv_sec * (int64_t)NS_PER_S + (int64_t)file->stx_mtime.tv_nsec;
    return changed > start + (int64_t)(2 * NS_PER_S / TICKS_IN_A_SECOND);
}

static long open_source(int pid, const char *path, int64_t start)
{
    char inside[PATH_LIMIT];
    struct text_buffer text;
    struct statx file = {0};
    text_init(&text, inside, sizeof inside);
    text_string(&text, "/proc/");
    text_signed(&text, pid);
    text_string(&text, path[0] == '/' ? "/root" : "/cwd/");
    text_string(&text, path);
    if (text.truncated ||
        raw_syscall(SYS_statx, AT_FDCWD, inside, AT_STATX_DONT_SYNC,
                    STATX_TYPE | STATX_SIZE | STATX_MTIME, &file) < 0 ||
        !S_ISREG(file.stx_mode) || file.stx_size > FILE_LIMIT || changed_after(&file, start))
        return -1;
    return raw_syscall(SYS_openat, AT_FDCWD, inside, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static bool copy_line(struct line_reader *lines, int line, char to[SOURCE_LINE_LIMIT])
{
    const char *text = NULL;
    for (int i = 0; i < line && (text = lines_next(lines)) != NULL; i++)
        ;
    if (!text)
        return false;
    text += strspn(text, " \t");
    size_t length = strcspn(text, "\r\n");
    if (length >= SOURCE_LINE_LIMIT)
        length = SOURCE_LINE_LIMIT - 1;
    memcpy(to, text, length);
    to[length] = '\0';
    return length > 0;
}

bool source_line_read(int pid, const char *path, int line, char to[SOURCE_LINE_LIMIT])
{
    struct line_reader lines = {.at = 0, .end = 0, .ended = false};
    int64_t start = start_of(pid);
    to[0] = '\0';
    if (line <= 0 || path[0] == '\0' || path[0] == '<' || start == 0 || !is_of_our_user(pid))
        return false;
    long fd = open_source(pid, path, start);
    if (fd < 0)
        return false;
    lines.fd = (int)fd;
    bool found = copy_line(&lines, line, to);
    lines_close(&lines);
    return found;
}
