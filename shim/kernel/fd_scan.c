// SPDX-License-Identifier: MIT
#include "kernel/fd_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <string.h>
#include <sys/stat.h>

#include "base/raw_syscall.h"

/* The mode of the link itself tells how the descriptor was opened: proc(5), /proc/PID/fd. */
static long read_access(int directory, const char *name, struct fd_description *description)
{
    struct statx link = {0}; /* the kernel fills it; an analyser cannot know */
    long result = raw_syscall(SYS_statx, directory, name, AT_SYMLINK_NOFOLLOW, STATX_MODE, &link);
    if (result < 0)
        return result;
    description->access =
        (link.stx_mode & S_IRUSR ? FD_READS : 0U) | (link.stx_mode & S_IWUSR ? FD_WRITES : 0U);
    return 0;
}

/* DONT_SYNC: a dead network filesystem must not be asked, its answer may never come. */
static long read_fifo(int directory, const char *name, struct fd_description *description)
{
    struct statx target = {0};
    long result = raw_syscall(SYS_statx, directory, name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
                              STATX_TYPE | STATX_INO, &target);
    if (result < 0 || !S_ISFIFO(target.stx_mode))
        return result;
    description->fifo = true;
    description->key.inode = target.stx_ino;
    description->key.device = (uint64_t)target.stx_dev_major << 32 | target.stx_dev_minor;
    return 0;
}

static long describe(int directory, const char *name, int fd, struct fd_description *description)
{
    memset(description, 0, offsetof(struct fd_description, link));
    description->fd = fd;
    long length = proc_link(directory, name, description->link, sizeof description->link);
    if (length < 0)
        return length;
    uint64_t inode;
    long result = 0;
    description->kind = parse_link(description->link, &inode);
    if (description->kind == LINK_PIPE || description->kind == LINK_SOCKET)
        description->key.inode = inode;
    else if (description->kind == LINK_PATH)
        result = read_fifo(directory, name, description);
    if (fd_is_channel(description))
        result = read_access(directory, name, description);
    return proc_is_no_answer(result) ? result : 0;
}

long fd_describe(int pid, int fd, struct fd_description *description)
{
    char path[PROC_PATH_LIMIT];
    proc_path_number(path, pid, "fd", fd);
    return describe(AT_FDCWD, path, fd, description);
}

/* Root without CAP_SYS_PTRACE (in a container) may list the descriptors of others and read none: it
 * is the process that the kernel refuses, so the first refusal says it of all. */
static bool is_refusal(long result)
{
    return result == -EACCES || result == -EPERM;
}

static bool is_hole(long result)
{
    return is_refusal(result) || proc_is_no_answer(result);
}

long fd_iterate(struct fd_iterator *iterator, int pid)
{
    char path[PROC_PATH_LIMIT];
    proc_path(path, pid, 0, "fd");
    return directory_open(&iterator->directory, path);
}

bool fd_next(struct fd_iterator *iterator)
{
    const char *name;
    int fd;
    while (!is_refusal(iterator->directory.error) &&
           directory_next_number(&iterator->directory, &fd, &name)) {
        long result = describe(iterator->directory.fd, name, fd, &iterator->description);
        if (result == 0)
            return true;
        if (is_hole(result)) /* else it was closed since: not the end of the list */
            iterator->directory.error = result;
    }
    return false;
}

/* The link of an anonymous pipe and of a socket is its name; only a FIFO must be asked for.
 * 1: it is, 0: it is not, or -errno. */
static long is_object(int directory, const char *name, struct object_key key)
{
    struct fd_description fd;
    if (key.device != 0) {
        long described = describe(directory, name, -1, &fd);
        return described < 0 ? described : object_key_equal(fd.key, key);
    }
    long length = proc_link(directory, name, fd.link, sizeof fd.link);
    if (length < 0)
        return length;
    fd.kind = parse_link(fd.link, &fd.key.inode);
    return (fd.kind == LINK_PIPE || fd.kind == LINK_SOCKET) && fd.key.inode == key.inode;
}

long fd_find(int pid, struct object_key key, unsigned access)
{
    struct directory directory;
    char path[PROC_PATH_LIMIT];
    const char *name;
    int fd;
    long found = -ENOENT;
    proc_path(path, pid, 0, "fd");
    long error = directory_open(&directory, path);
    if (error < 0)
        return error;
    while (found < 0 && !is_refusal(directory.error) &&
           directory_next_number(&directory, &fd, &name)) {
        struct fd_description description = {.access = 0};
        long same = is_object(directory.fd, name, key);
        if (is_hole(same))
            directory.error = same;
        if (same > 0 && read_access(directory.fd, name, &description) == 0 &&
            (description.access & access))
            found = fd;
    }
    if (found < 0 && directory.error != 0)
        found = directory.error;
    directory_close(&directory);
    return found;
}

void fd_iterate_end(struct fd_iterator *iterator)
{
    directory_close(&iterator->directory);
}
