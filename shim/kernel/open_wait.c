// SPDX-License-Identifier: MIT
#include "kernel/open_wait.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "kernel/memory_reader.h"
#include "kernel/proc_reader.h"

/* Where its path begins, in /proc: the program may have another root, and has its own folder. */
static void write_start(const struct thread_wait *wait, int pid, const char *path,
                        struct text_buffer *text)
{
    char start[PROC_PATH_LIMIT];
    int folder = wait->number == SYS_openat ? (int)wait->arguments[0] : AT_FDCWD;
    if (path[0] == '/')
        proc_path(start, pid, 0, "root");
    else if (folder == AT_FDCWD)
        proc_path(start, pid, 0, "cwd");
    else
        proc_path_number(start, pid, "fd", folder);
    text_string(text, start);
    text_char(text, '/');
}

static bool is_for_writing_alone(const struct thread_wait *wait)
{
#ifdef SYS_creat
    if (wait->number == SYS_creat)
        return true;
#endif
    uint64_t flags = wait->arguments[wait->number == SYS_openat ? 2 : 1];
    return (flags & O_ACCMODE) == O_WRONLY;
}

bool open_wait_for_reader(const struct thread_wait *wait, int pid, struct fd_description *fifo)
{
    char given[OBJECT_NAME_LIMIT], path[OBJECT_NAME_LIMIT + PROC_PATH_LIMIT];
    struct memory_reader memory = memory_reader_process(pid);
    struct statx file = {0};
    struct text_buffer text;
    if (wait->kind != WAIT_OPEN || !wait->call_known || !is_for_writing_alone(wait) ||
        !memory_read_string(&memory, wait->arguments[wait->number == SYS_openat ? 1 : 0], given,
                            sizeof given) ||
        strlen(given) == sizeof given - 1)
        return false;
    text_init(&text, path, sizeof path);
    write_start(wait, pid, given, &text);
    text_string(&text, given);
    if (raw_syscall(SYS_statx, AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, &file) <
            0 ||
        !S_ISFIFO(file.stx_mode))
        return false;
    memset(fifo, 0, sizeof *fifo);
    fifo->kind = LINK_PATH;
    fifo->fifo = true;
    fifo->key =
        (struct object_key){file.stx_ino, (uint64_t)file.stx_dev_major << 32 | file.stx_dev_minor};
    fifo->access = FD_WRITES;
    memcpy(fifo->link, given, sizeof given);
    return true;
}
