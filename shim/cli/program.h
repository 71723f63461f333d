// SPDX-License-Identifier: MIT
/* What kind of program a command is, as far as it matters for a preload. */
#ifndef PIPESHIM_CLI_PROGRAM_H
#define PIPESHIM_CLI_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

struct program {
    char path[PATH_MAX];   /* the executable that the kernel runs: of a script its interpreter */
    char script[PATH_MAX]; /* "" if it is none */
    char loader[PATH_MAX]; /* PT_INTERP; "": a static executable */
    bool is_elf;
    bool is_ours; /* of the class and machine that this tool is built for */
    bool secure;  /* setuid, setgid or with file capabilities: the loader ignores LD_PRELOAD */
    bool is_go;   /* its system calls are its own: the library sees none of them */
};

/* Looks `command` up as execvp(3) does, follows `#!` lines and reads the ELF header. NULL, or in
 * words what is wrong ("no such program"). */
const char *program_find(const char *command, struct program *program);

/* Reads the executable `path` (which may be /proc/PID/exe). */
const char *program_read(const char *path, struct program *program);

/* Its loader is glibc's. */
bool program_has_glibc(const struct program *program);

/* Runs on: tool. AS-safe: no. Blocks: on files. */
#endif
