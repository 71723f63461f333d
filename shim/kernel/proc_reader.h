// SPDX-License-Identifier: MIT
/*
 * Reading files and directories of /proc with raw system calls: no allocation, no libc, descriptors
 * that are closed on exec and closed before the function returns. Nothing here opens what a link
 * under /proc/PID/fd points to: that would make a new end of a pipe and keep its other side
 * waiting.
 */
#ifndef PIPESHIM_KERNEL_PROC_READER_H
#define PIPESHIM_KERNEL_PROC_READER_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROC_PATH_LIMIT = 96, DIRECTORY_BUFFER = 8192 };

/* True of an -errno that is no answer: the kernel is short of something just now. What was asked
 * for may be there all the same. */
static inline bool proc_is_no_answer(long result)
{
    return result == -ENFILE || result == -EMFILE || result == -ENOMEM || result == -EAGAIN ||
           result == -EINTR || result == -EIO;
}

/* Writes "/proc/PID/FILE", or with a `tid` other than 0 "/proc/PID/task/TID/FILE"; `pid` 0 is
 * "self": a process may see the /proc of another pid namespace. */
void proc_path(char path[PROC_PATH_LIMIT], int pid, int tid, const char *file);
/* Writes "/proc/PID/FOLDER/NUMBER", `pid` 0 likewise: a descriptor under fd or fdinfo. */
void proc_path_number(char path[PROC_PATH_LIMIT], int pid, const char *folder, int number);

/* Reads a whole file of at most `capacity` - 1 bytes and terminates it with NUL. Returns the bytes,
 * or -errno (then `to` is the empty string); -EFBIG: it is longer, and nothing of it is given.
 */
long proc_read(const char *path, char *to, size_t capacity);
/* The same of /proc/PID/FILE or /proc/PID/task/TID/FILE. */
long proc_read_of(int pid, int tid, const char *file, char *to, size_t capacity);

/* Only the start of a file that may be longer. */
long proc_read_start(const char *path, char *to, size_t capacity);
long proc_read_start_of(int pid, int tid, const char *file, char *to, size_t capacity);

/* Of a file that the kernel writes in one piece (syscall, schedstat, wchan, comm): one read. -EFBIG
 * as above. */
long proc_read_piece_of(int pid, int tid, const char *file, char *to, size_t capacity);

/* Reads a link, relative to an open directory (or AT_FDCWD), NUL-terminated; -errno. */
long proc_link(int directory, const char *path, char *to, size_t capacity);

/* A directory whose entries are numbers, or a file read line by line, in bounded memory. */
struct directory {
    int fd;
    long error; /* -errno: the entries that came are not all; 0: they are */
    size_t at, end;
    char buffer[DIRECTORY_BUFFER];
};
/* 0 or -errno; close only after 0. */
long directory_open(struct directory *directory, const char *path);
/* The next entry whose name is a positive number (or 0); false at the end, and when it cannot be
 * read on (`error`). `name` may be NULL; it
 * is valid until the next call. */
bool directory_next_number(struct directory *directory, int *number, const char **name);
void directory_close(struct directory *directory);

/* The lines of a file of any length, one after the other; a line longer than the buffer is cut. */
struct line_reader {
    int fd;
    size_t at, end;
    bool ended;
    char buffer[DIRECTORY_BUFFER];
};
long lines_open(struct line_reader *lines, const char *path);
/* The next line without its newline, NUL-terminated, valid until the next call; NULL at the end. */
const char *lines_next(struct line_reader *lines);
void lines_close(struct line_reader *lines);

/* Runs on: any. AS-safe: yes. Blocks: as long as the file's file system does; /proc does not. */
#endif
