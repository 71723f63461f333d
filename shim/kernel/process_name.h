// SPDX-License-Identifier: MIT
/* What to call a process in a sentence: everything is `python3` or `node` to the kernel. */
#ifndef PIPESHIM_KERNEL_PROCESS_NAME_H
#define PIPESHIM_KERNEL_PROCESS_NAME_H

#include <stdbool.h>
#include <stddef.h>

enum { PROCESS_NAME_LIMIT = 64 };

/* The last part of an interpreter's script ("server.py"), the module of `python -m`, else the last
 * part of argv[0], else `comm` (also of a process that has written a title over its arguments).
 * One read of /proc/PID/cmdline. */
void process_name(int pid, const char *comm, char name[PROCESS_NAME_LIMIT]);

/* The path of an interpreter's script as it stands in the arguments; false: it has none. */
bool process_script(int pid, char *path, size_t capacity);

/* What a process is written in, as far as advice differs by it, or where its line is sought. */
enum process_runtime {
    RUNTIME_UNKNOWN,
    RUNTIME_PYTHON,
    RUNTIME_NODE,
    RUNTIME_SHELL,
    RUNTIME_JAVA,
    RUNTIME_PERL,
    RUNTIME_RUBY,
    RUNTIME_PHP,
};

/* By the name of the file that it executes; Bun and Deno count as Node. One readlink. */
enum process_runtime process_runtime(int pid);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
