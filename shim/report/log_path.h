// SPDX-License-Identifier: MIT
/*
 * The file that PIPESHIM_LOG names: its path, and how it is opened.
 *
 * The path is made absolute once, at the start: a chdir() must not take the log along, least of all
 * into another user's folder. Each folder and link of it is looked at on the way: a symbolic link
 * that belongs to neither this user nor root is not followed, a file or FIFO that belongs to
 * another user is not written to (he could read it), nor one that has a second name (a link that
 * was planted to make us write into the user's own files). /tmp is where such things are planted.
 */
#ifndef PIPESHIM_REPORT_LOG_PATH_H
#define PIPESHIM_REPORT_LOG_PATH_H

#include <stddef.h>

#include "base/text_buffer.h"

enum { LOG_PATH_LIMIT = 4096 };

/* Errors of our own, beside those of the kernel. */
enum log_refusal {
    LOG_FOREIGN_LINK = 10000,
    LOG_FOREIGN_FILE,
    LOG_TWO_NAMES,
    LOG_WRONG_KIND,
};

/* Takes the pattern (%p pid, %e executable, %h host, which are asked for when they are needed; it
 * must stay valid) and, if it is relative, the working directory. For the constructor. */
void log_path_set(const char *where, const char *(*executable_name)(void),
                  const char *(*host_name)(void));

/* True if each process has a path of its own: the pattern has a %p. */
bool log_path_has_pid(const char *where);

/* Writes the path of process `pid` to `path`; false: it is too long. */
bool log_path_of(int pid, char path[LOG_PATH_LIMIT]);

/* Writes `where` with %p, %e and %h replaced, after `before_relative` and a slash if it is
 * relative; false: it is too long. */
bool log_path_expand(const char *where, const char *before_relative,
                     const char *(*executable_name)(void), const char *(*host_name)(void), int pid,
                     char path[LOG_PATH_LIMIT]);

/* Opens the file at an absolute path for appending, made with mode 0600 if it is missing. May wait
 * for the file system: never on a thread of the program. Returns the fd, -errno, or minus a
 * refusal of the above. */
long log_path_open(const char *path);

/* What a result of log_path_open() means: "no such file or directory". */
void log_path_explain(long error, struct text_buffer *text);

/* Runs on: the constructor (set); the log's writer (open). AS-safe: yes. Blocks: open may. */
#endif
