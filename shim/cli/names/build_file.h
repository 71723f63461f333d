// SPDX-License-Identifier: MIT
/* The file of one very build, by its build-id: the module itself, or its debug file. */
#ifndef PIPESHIM_CLI_NAMES_BUILD_FILE_H
#define PIPESHIM_CLI_NAMES_BUILD_FILE_H

/* Where distributions put debug files. */
#define BUILD_FILE_DEBUG_PATH "/usr/lib/debug"

/* Opens `path` (absolute, else it is not tried) if it is a regular file with that build-id, given
 * in hexadecimal digits, else the debug file below one of the directories of `debug_path`
 * (elfutils' form, "/usr/lib/debug:/more"). -1: neither. Never waits for a FIFO. */
int build_file_open(const char *path, const char *build_id, const char *debug_path);

/* Runs on: tool. AS-safe: no. Blocks: as long as the files' file systems do. */
#endif
