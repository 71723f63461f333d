// SPDX-License-Identifier: MIT
// Prints one entry of shim/explain/python/offsets_table.h for the Python whose headers it is
// compiled with; see scripts/generate-python-offsets.sh.
#define Py_BUILD_CORE 1
#include <Python.h>
#include <stddef.h>
#include <stdio.h>

#include <frameobject.h>
#include <internal/pycore_pystate.h>
#if PY_VERSION_HEX >= 0x03090000
#include <internal/pycore_interp.h>
#include <internal/pycore_runtime.h>
#endif
#if PY_VERSION_HEX >= 0x030B0000
#include <internal/pycore_code.h>
#include <internal/pycore_frame.h>
#endif

#define FIELD(name, type, member) printf("        ." #name " = %zu,\n", offsetof(type, member))
#define VALUE(name, value)        printf("        ." #name " = %s,\n", value)

static void print_interpreter(void)
{
    FIELD(runtime_interpreters, _PyRuntimeState, interpreters.head);
    FIELD(interpreter_next, PyInterpreterState, next);
    FIELD(interpreter_id, PyInterpreterState, id);
#if PY_VERSION_HEX >= 0x030B0000
    FIELD(interpreter_threads, PyInterpreterState, threads.head);
#else
    FIELD(interpreter_threads, PyInterpreterState, tstate_head);
#endif
}

static void print_thread(void)
{
    FIELD(thread_next, PyThreadState, next);
    FIELD(thread_id, PyThreadState, thread_id);
#if PY_VERSION_HEX >= 0x030B0000
    FIELD(thread_native_id, PyThreadState, native_thread_id);
    FIELD(thread_frame, PyThreadState, cframe);
    FIELD(cframe_frame, _PyCFrame, current_frame);
#else
    VALUE(thread_native_id, "PYTHON_NO_FIELD");
    FIELD(thread_frame, PyThreadState, frame);
    VALUE(cframe_frame, "PYTHON_NO_FIELD");
#endif
}

static void print_frame(void)
{
#if PY_VERSION_HEX >= 0x030B0000
    FIELD(frame_code, _PyInterpreterFrame, f_code);
    FIELD(frame_previous, _PyInterpreterFrame, previous);
    FIELD(frame_instruction, _PyInterpreterFrame, prev_instr);
    FIELD(frame_owner, _PyInterpreterFrame, owner);
#else
    FIELD(frame_code, struct _frame, f_code);
    FIELD(frame_previous, struct _frame, f_back);
    FIELD(frame_instruction, struct _frame, f_lasti);
    VALUE(frame_owner, "PYTHON_NO_FIELD");
#endif
}

static void print_code(void)
{
    FIELD(code_filename, PyCodeObject, co_filename);
    FIELD(code_name, PyCodeObject, co_name);
    FIELD(code_first_line, PyCodeObject, co_firstlineno);
#if PY_VERSION_HEX >= 0x030A0000
    FIELD(code_line_table, PyCodeObject, co_linetable);
#else
    FIELD(code_line_table, PyCodeObject, co_lnotab);
#endif
#if PY_VERSION_HEX >= 0x030B0000
    FIELD(code_qualified_name, PyCodeObject, co_qualname);
    FIELD(code_bytes, PyCodeObject, co_code_adaptive);
    FIELD(code_first_traceable, PyCodeObject, _co_firsttraceable);
#else
    VALUE(code_qualified_name, "PYTHON_NO_FIELD");
    VALUE(code_bytes, "PYTHON_NO_FIELD");
    VALUE(code_first_traceable, "PYTHON_NO_FIELD");
#endif
}

static void print_objects(void)
{
    FIELD(object_type, PyObject, ob_type);
    FIELD(text_length, PyASCIIObject, length);
    FIELD(text_state, PyASCIIObject, state);
    printf("        .text_ascii_data = %zu,\n", sizeof(PyASCIIObject));
    printf("        .text_compact_data = %zu,\n", sizeof(PyCompactUnicodeObject));
    FIELD(bytes_size, PyVarObject, ob_size);
    FIELD(bytes_data, PyBytesObject, ob_sval);
}

int main(void)
{
    printf("    /* " PY_VERSION " */\n    {\n        .minor = %d,\n", PY_MINOR_VERSION);
    VALUE(line_format, PY_VERSION_HEX >= 0x030B0000   ? "PYTHON_LOCATION_TABLE"
                       : PY_VERSION_HEX >= 0x030A0000 ? "PYTHON_LINE_TABLE"
                                                      : "PYTHON_LNOTAB");
    VALUE(instruction_format, PY_VERSION_HEX >= 0x030B0000   ? "PYTHON_INSTRUCTION_POINTER"
                              : PY_VERSION_HEX >= 0x030A0000 ? "PYTHON_INSTRUCTION_UNITS"
                                                             : "PYTHON_INSTRUCTION_BYTES");
#if PY_VERSION_HEX >= 0x030C0000
    printf("        .interpreter_owner = %d,\n", FRAME_OWNED_BY_CSTACK);
#else
    VALUE(interpreter_owner, "PYTHON_NO_OWNER");
#endif
    print_interpreter();
    print_thread();
    print_frame();
    print_code();
    print_objects();
    puts("    },");
    return 0;
}
