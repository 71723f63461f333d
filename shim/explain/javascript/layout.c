// SPDX-License-Identifier: MIT
#include "explain/javascript/layout.h"

#include <stddef.h>

enum { OFFSET_LIMIT = 4096, FUNCTION_TYPES = 18 };

static int32_t first_of(int32_t a, int32_t b)
{
    return a != V8_ABSENT ? a : b;
}

/* What the walk of frames and the reading of tagged words is built on: equal in all versions that
 * were measured; with compressed pointers they differ. */
static bool is_known_word_format(const struct v8_constants *k)
{
    return k->tagged_size == 8 && k->heap_object_tag == 1 && k->smi_tag_mask == 1 &&
           k->smi_shift_size == 31 && k->smi_value_shift == 1 && k->fp_context == -8 &&
           k->fp_function == -16 && k->fp_bytecode_array == -32 && k->fp_bytecode_offset == -40;
}

static void choose_code(const struct v8_constants *k, struct v8_layout *layout)
{
    layout->code_holds_instructions = k->type_instruction_stream == V8_ABSENT;
    bool trusted = k->type_trusted_byte_array != V8_ABSENT; /* V8 12 and later */
    layout->code_start = layout->code_holds_instructions ? k->code_instruction_start
                                                         : first_of(k->code_instruction_start, 40);
    layout->code_size = first_of(k->code_instruction_size, 56);
    layout->code_flags = first_of(k->code_flags, 48);
    layout->code_deopt_data = trusted ? 8 : 16;
    layout->code_positions = trusted ? 16 : 24;
    layout->code_stream = 32;
    layout->stream_code = 8;
    layout->deopt_inlined_count = first_of(k->deopt_inlined_count, 1);
    layout->deopt_literals = first_of(k->deopt_literals, 2);
    layout->deopt_osr_offset = layout->deopt_literals + 1;
    layout->deopt_inlining_positions = first_of(k->deopt_inlining_positions, 7);
    layout->deopt_shared = first_of(first_of(k->deopt_wrapped_shared, k->deopt_shared), 6);
    layout->wrapper_shared = 8;
}

static void choose_script(const struct v8_constants *k, struct v8_layout *layout)
{
    layout->script_line_offset = 24;
    layout->script_column_offset = 32;
    bool oldest = k->type_instruction_stream == V8_ABSENT;
    layout->script_source_url = oldest ? 104 : 112;
    layout->script_mapping_url = oldest ? 112 : 120;
    layout->script_eval_from = first_of(k->script_eval_from, k->script_eval_from_18);
}

/* Every published number is an offset or an index that a reader may add. */
static bool is_plausible(const struct v8_layout *layout)
{
    const int32_t *first = &layout->first_function_type;
    const int32_t offsets[] = {
        layout->shared_data,
        layout->shared_script,
        layout->code_start,
        layout->code_size,
        layout->code_flags,
        layout->deopt_inlined_count,
        layout->deopt_literals,
        layout->deopt_shared,
        layout->deopt_inlining_positions,
        layout->published.map_instance_type,
        layout->published.array_length,
        layout->published.array_data,
        layout->published.function_shared,
        layout->published.shared_name,
        layout->published.scope_local_count,
        layout->published.scope_first_variable,
        layout->published.script_source,
        layout->published.script_name,
        layout->published.script_line_ends,
        layout->published.string_length,
        layout->published.bytecode_data,
        layout->published.string_one_byte_data,
        layout->published.string_two_byte_data,
        layout->published.string_cons_first,
        layout->published.string_cons_second,
        layout->published.string_sliced_parent,
        layout->published.string_sliced_offset,
        layout->published.string_thin_actual,
    };
    for (unsigned i = 0; i < sizeof offsets / sizeof *offsets; i++)
        if (offsets[i] < 0 || offsets[i] > OFFSET_LIMIT)
            return false;
    return first[0] > 0 && first[1] >= first[0] && first[1] - first[0] < 64 &&
           layout->published.first_nonstring_type == 128;
}

bool v8_layout_choose(const struct v8_constants *k, struct v8_layout *layout)
{
    if (!is_known_word_format(k))
        return false;
    layout->published = *k;
    layout->first_function_type = first_of(k->first_function_type, k->type_function);
    layout->last_function_type =
        first_of(k->last_function_type, layout->first_function_type + FUNCTION_TYPES);
    layout->shared_data = first_of(k->shared_data, 8);
    layout->shared_script =
        first_of(first_of(k->shared_script, k->shared_raw_script), k->shared_script_or_debug_info);
    layout->scope_positions_first = k->scope_first_variable == 5;
    layout->scope_module_count_first = k->type_trusted_byte_array != V8_ABSENT;
    layout->string_external_data = k->string_external_resource + 8;
    layout->bytecode_length = 8;
    layout->bytecode_positions = k->bytecode_data < 64 ? 32 : 24;
    choose_script(k, layout);
    choose_code(k, layout);
    return is_plausible(layout);
}
