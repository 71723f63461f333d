// SPDX-License-Identifier: MIT
/* The line of a shell's script that opens a file for writing, by the script's text: what dash,
 * busybox and others say of where they are nobody can read from outside. */
#ifndef PIPESHIM_EXPLAIN_SHELL_REDIRECTION_H
#define PIPESHIM_EXPLAIN_SHELL_REDIRECTION_H

#include "facts/member.h"

/* The number (from 1) of the one line of the text behind `fd` with a redirection to `path`, as it
 * stands there: `>path`, `>> "path"`, `2>path`. 0: none, or several. Not `<>path`, which does not
 * wait, nor a line that is a comment. Reads the file from where it is; in one with a
 * line of 8 KiB nothing is found. */
int shell_redirection_find(int fd, const char *path);

/* Fills `where`, `source` and `note` of a shell that runs a script file and waits in open(2) for
 * `path`, if `where` is empty and there is one such line. */
void shell_redirection_read(int pid, const char *path, struct member *member);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: as long as the script's file system does. */
#endif
