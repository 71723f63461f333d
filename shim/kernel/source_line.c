// SPDX-License-Identifier: MIT
#include "kernel/source_line.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "kernel/proc_reader.h"
#include "kernel/process_start.h"
#include "kernel/unread.h"

enum { PATH_LIMIT = 1024, FILE_LIMIT = 4 << 20 };

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
        !S_ISREG(file.stx_mode) || file.stx_size > FILE_LIMIT ||
        changed_since_start(file_time_ns(file.stx_mtime.tv_sec, file.stx_mtime.tv_nsec), start))
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

long source_file_open(int pid, const char *path)
{
    int64_t start = process_start_ns(pid);
    if (path[0] == '\0' || path[0] == '<' || start == 0 || !is_of_our_user(pid))
        return -1;
    return open_source(pid, path, start);
}

bool source_line_read(int pid, const char *path, int line, char to[SOURCE_LINE_LIMIT])
{
    struct line_reader lines = {.at = 0, .end = 0, .ended = false};
    to[0] = '\0';
    long fd = line > 0 ? source_file_open(pid, path) : -1;
    if (fd < 0)
        return false;
    lines.fd = (int)fd;
    bool found = copy_line(&lines, line, to);
    lines_close(&lines);
    return found;
}
