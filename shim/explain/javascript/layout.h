// SPDX-License-Identifier: MIT
/*
 * Where the reader finds what in V8's objects: what V8 publishes, and what it does not, chosen by
 * what is published. All offsets are from the start of the object, whose pointer has the tag added.
 * Measured on V8 10.2 (Node 18), 11.3, 12.4, 13.6, 14.1 and 14.6 (Node 26).
 */
#ifndef PIPESHIM_EXPLAIN_JAVASCRIPT_LAYOUT_H
#define PIPESHIM_EXPLAIN_JAVASCRIPT_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "explain/javascript/constants.h"

struct v8_layout {
    struct v8_constants published;
    /* JSFunction and its subclasses have types in this range. */
    int32_t first_function_type, last_function_type;
    int32_t shared_data, shared_script;
    /* From V8 13 on a ScopeInfo begins with 32-bit flags and the function's positions, before with
     * a Smi of flags, and the positions come last. */
    bool scope_positions_first;
    bool scope_module_count_first; /* of a module's scope, before the names */
    int32_t script_line_offset, script_column_offset, script_source_url, script_mapping_url;
    int32_t script_eval_from; /* V8_ABSENT: not known */
    int32_t string_external_data;
    int32_t bytecode_length, bytecode_positions;
    /* Code: of V8 10 the instructions lie in it, later in an InstructionStream that points to it.*/
    bool code_holds_instructions;
    int32_t code_start, code_size, code_flags, code_deopt_data, code_positions, code_stream;
    int32_t stream_code;
    int32_t deopt_inlined_count, deopt_literals, deopt_inlining_positions, deopt_shared,
        deopt_osr_offset;
    int32_t wrapper_shared; /* SharedFunctionInfoWrapper */
};

/* Chooses the layout; false if the constants are not those of a V8 that this reader knows (with
 * compressed pointers, of another word size). */
bool v8_layout_choose(const struct v8_constants *constants, struct v8_layout *layout);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
