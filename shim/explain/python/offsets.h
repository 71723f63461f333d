// SPDX-License-Identifier: MIT
/*
 * Where the reader finds what in CPython's structures.
 *
 * CPython changes these structures with every minor version and keeps them within one. Up to 3.12
 * the offsets come from a table made from each release's headers (offsets_table.h, written by
 * scripts/generate-python-offsets.sh); from 3.13 the interpreter publishes them itself
 * (debug_offsets.h). All are bytes from the start of the structure.
 */
#ifndef PIPESHIM_EXPLAIN_PYTHON_OFFSETS_H
#define PIPESHIM_EXPLAIN_PYTHON_OFFSETS_H

#include <stdint.h>

/* How a code object's table says which line an instruction belongs to. */
enum python_line_format {
    PYTHON_LNOTAB,         /* 3.8, 3.9: Objects/lnotab_notes.txt */
    PYTHON_LINE_TABLE,     /* 3.10: PEP 626 */
    PYTHON_LOCATION_TABLE, /* 3.11 and later: PEP 657 */
};

/* What a frame stores of the instruction it is at. */
enum python_instruction_format {
    PYTHON_INSTRUCTION_BYTES,   /* int f_lasti: offset in bytes (3.8, 3.9) */
    PYTHON_INSTRUCTION_UNITS,   /* int f_lasti: offset in 2-byte code units (3.10) */
    PYTHON_INSTRUCTION_POINTER, /* a pointer into the code object's bytes (3.11 and later) */
};

enum {
    PYTHON_NO_FIELD = 0xffff,  /* this version has no such field */
    PYTHON_NO_OWNER = 0xff,    /* no frame owner that is to be skipped */
    PYTHON_OBJECT_LIMIT = 512, /* every offset in a thread, frame, code, str object is below */
};

struct python_offsets {
    uint8_t minor; /* 3.minor */
    uint8_t line_format;
    uint8_t instruction_format;
    /* Frames of this owner or a greater one belong to the interpreter (its own C frames), not to
     * the program. FRAME_OWNED_BY_CSTACK since 3.12. */
    uint8_t interpreter_owner;

    uint32_t runtime_interpreters; /* _PyRuntime.interpreters.head */
    uint32_t interpreter_next;
    uint32_t interpreter_id; /* int64_t; 0 is the main interpreter */
    uint32_t interpreter_threads;

    uint16_t thread_next;
    uint16_t thread_id;        /* unsigned long: pthread_t */
    uint16_t thread_native_id; /* unsigned long: kernel thread id; PYTHON_NO_FIELD before 3.11 */
    uint16_t thread_frame;     /* the innermost frame, or the _PyCFrame that points to it */
    uint16_t cframe_frame;     /* _PyCFrame.current_frame; PYTHON_NO_FIELD: there is none */
    uint16_t frame_code;       /* tagged in its low bits since 3.14 */
    uint16_t frame_previous;
    uint16_t frame_instruction;
    uint16_t frame_owner; /* char; PYTHON_NO_FIELD before 3.11 */

    uint16_t code_filename;
    uint16_t code_name;
    uint16_t code_qualified_name; /* PYTHON_NO_FIELD before 3.11 */
    uint16_t code_first_line;     /* int */
    uint16_t code_line_table;
    uint16_t code_bytes;           /* PYTHON_NO_FIELD before 3.11 */
    uint16_t code_first_traceable; /* int, code units; PYTHON_NO_FIELD before 3.11 */

    uint16_t object_type; /* PyObject.ob_type */
    uint16_t text_length;
    uint16_t text_state;
    uint16_t text_ascii_data;   /* of a string that is all ASCII */
    uint16_t text_compact_data; /* of every other */
    uint16_t bytes_size;
    uint16_t bytes_data;
};

/* Runs on: any. Plain data. */
#endif
