// SPDX-License-Identifier: MIT
/*
 * Which file this process runs.
 *
 * The kernel's own word, /proc/self/exe, takes 15 us to read: a start does without it wherever the
 * name by which the program was executed says the same.
 */
#ifndef PIPESHIM_PROCESS_EXECUTABLE_H
#define PIPESHIM_PROCESS_EXECUTABLE_H

/* Its full path, read from /proc at the first call and kept; where that fails, the path by which it
 * was executed, or "". */
const char *executable_path(void);

/* The last part of that path. */
const char *executable_name(void);

/* The same name where it can be had without a system call but openat(2) and close(2), else NULL;
 * `arguments` are main's, which a script's
 * interpreter has before its own. In the constructor: a relative path is meant from there. */
const char *executable_name_at_start(char *const *arguments);

#endif
/* Runs on: program threads, watchdog. AS-safe: yes. Blocks: no. */
