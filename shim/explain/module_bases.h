// SPDX-License-Identifier: MIT
/*
 * Where the modules that can hold CPython, V8 or Perl are mapped, from /proc/PID/maps: readable
 * also in a process that is not dumpable, and without the loader's lock.
 */
#ifndef PIPESHIM_EXPLAIN_MODULE_BASES_H
#define PIPESHIM_EXPLAIN_MODULE_BASES_H

#include <stdbool.h>
#include <stdint.h>

#include "explain/maps.h"

enum { LIBPYTHON_LIMIT = 4, CODE_RANGE_LIMIT = 8 };

struct code_range {
    uintptr_t start, end;
};

struct module_bases {
    uintptr_t executable;      /* 0: not found */
    bool executable_is_python; /* its file name starts with "python" */
    uintptr_t libpython[LIBPYTHON_LIMIT];
    unsigned libpython_count;
    uintptr_t libperl; /* 0: none, perl has it all inside */
    uintptr_t libnode; /* libnode.so, where node is only a stub; 0: none */
    /* Executable mappings of the executable and of libnode: V8 maps a part of its file a second
     * time, near to the code that it compiles. */
    struct code_range code[CODE_RANGE_LIMIT];
    unsigned code_count;
    uintptr_t libc; /* the one that implements threads; 0: not glibc, or static */
};

/* Reads the list of process `pid` (0: the calling one) as the raw text of the kernel; false if it
 * cannot be read. Async-signal-safe; opens and closes one fd. */
bool module_bases_read(int pid, struct module_bases *bases);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
