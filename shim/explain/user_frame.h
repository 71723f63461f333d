// SPDX-License-Identifier: MIT
/*
 * Which frame of a stack is the user's own code: the one whose line has to change. Not the standard
 * library's, not an installed package's, not the runtime's, not libc's.
 *
 * Pure, on names that come from outside.
 */
#ifndef PIPESHIM_EXPLAIN_USER_FRAME_H
#define PIPESHIM_EXPLAIN_USER_FRAME_H

#include <stdbool.h>

#include "base/text_buffer.h"
#include "facts/javascript_frame.h"
#include "facts/python_frame.h"
#include "facts/stack.h"

/* A file of the standard library or of a package that was installed: under lib/pythonX.Y or
 * dist-packages, "<frozen importlib._bootstrap>". What `python -c` runs is the user's. */
bool python_file_is_library(const char *file);

/* The innermost frame of the user's code: its index, or -1 when all are a library's. */
int user_frame_python(const struct python_frame *frames, unsigned count);

/* The path of the file that V8 has this name for: a path, or a module's file:// URL, in which "%20"
 * is a space. False: it names no file, or the path is too long. */
bool javascript_file_path(const char *file, char *path, size_t capacity);

/* A script that is neither Node's own (node:…) nor of a package (node_modules). */
bool javascript_file_is_user(const char *file);

/* The innermost frame that is neither Node's own (node:…) nor of a package (node_modules), else the
 * innermost of a package; -1: none has a file. */
int user_frame_javascript(const struct javascript_frame *frames, unsigned count);

/* The innermost frame outside of libc, the C++ runtime and language runtimes; -1 when there is
 * none, or its function has no name. */
int user_frame_native(const struct stack_frame_name *frames, unsigned count);

/*
 * Appends "file:line function" of the user's frame: of the Python or JavaScript stack if there is
 * one, else
 * "module+0xoffset function" of the C stack; nothing where only library code is on the stack.
 */
void user_frame_words(struct text_buffer *text, const struct python_frame *python,
                      unsigned python_count, const struct javascript_frame *javascript,
                      unsigned javascript_count, const struct stack_frame_name *frames,
                      unsigned frame_count);

/* The same in parts; empty, or 0, is what is not known: of C code only the function is. */
struct code_place {
    char file[PYTHON_FILE_LIMIT];
    int line;
    char function[PYTHON_FUNCTION_LIMIT];
};
void user_frame_place(struct code_place *place, const struct python_frame *python,
                      unsigned python_count, const struct javascript_frame *javascript,
                      unsigned javascript_count, const struct stack_frame_name *frames,
                      unsigned frame_count);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
