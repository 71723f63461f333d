// SPDX-License-Identifier: MIT
#include "explain/javascript/code.h"

#include <string.h>

enum {
    SEARCH_PAGES = 512, /* 2 MiB: no function is compiled to more */
    WEAK = 2,           /* the bit of a weak pointer */
    INLINING_ENTRY = 16,
    NOT_OSR = -1,
    OWN_FUNCTION = -1,
};

bool v8_code_table(struct v8_heap *heap, const struct v8_code *code, uint64_t *table)
{
    return v8_field(heap, code->object, heap->layout->code_positions, table);
}

bool v8_code_is_of_bytecode(struct v8_heap *heap, const struct v8_code *code, uint64_t bytecode)
{
    uint64_t source, first, second;
    if (!v8_field(heap, code->object, heap->layout->code_deopt_data, &source))
        return false;
    return source == bytecode ||
           (v8_has_type(heap, source, heap->layout->published.type_interpreter_data) &&
            v8_field(heap, source, 8, &first) && v8_field(heap, source, 16, &second) &&
            (first == bytecode || second == bytecode));
}

/* --- Which code a pc belongs to --------------------------------------------------------------- */

/* The Code of an object that holds instructions, if they include pc. */
static bool is_code_of(struct v8_heap *heap, uint64_t stream, uint64_t pc, struct v8_code *code)
{
    const struct v8_layout *layout = heap->layout;
    uint64_t points_back;
    uint32_t flags;
    if (layout->code_holds_instructions) {
        code->object = stream;
        code->start = stream - 1 + (uint64_t)layout->code_start;
    } else if (!v8_object_field(heap, stream, layout->stream_code, layout->published.type_code,
                                &code->object) ||
               !v8_field(heap, code->object, layout->code_start, &code->start) ||
               !v8_field(heap, code->object, layout->code_stream, &points_back) ||
               points_back != stream) {
        return false;
    }
    if (!v8_field32(heap, code->object, layout->code_size, &code->size) ||
        !v8_field32(heap, code->object, layout->code_flags, &flags) || code->start < stream)
        return false;
    code->kind = (int32_t)flags & layout->published.code_kind_mask;
    return pc > code->start && pc - code->start <= code->size;
}

static bool is_stream_map(struct v8_heap *heap, uint64_t word, uint64_t known)
{
    const struct v8_constants *k = &heap->layout->published;
    int32_t type =
        heap->layout->code_holds_instructions ? k->type_code : k->type_instruction_stream;
    uint16_t found;
    if (known != 0)
        return word == known;
    return v8_is_pointer(word) && v8_has_type(heap, word, k->type_map) &&
           v8_read(heap, word - 1 + (uintptr_t)k->map_instance_type, &found, sizeof found) &&
           found == type;
}

bool v8_code_find(struct v8_heap *heap, uint64_t pc, uint64_t *stream_map, struct v8_code *code)
{
    unsigned char page[V8_PAGE_SIZE];
    uint64_t at = pc & ~7ULL;
    for (unsigned pages = 0; pages < SEARCH_PAGES; pages++) {
        uint64_t start = at & ~(uint64_t)(V8_PAGE_SIZE - 1);
        if (heap->reads++ >= V8_READ_LIMIT || !memory_read(heap->memory, start, page, sizeof page))
            return false;
        for (;; at -= 8) {
            uint64_t word;
            memcpy(&word, page + (at - start), sizeof word);
            if ((word & 3) == 1 && is_stream_map(heap, word, *stream_map) &&
                is_code_of(heap, at + 1, pc, code)) {
                *stream_map = word;
                return true;
            }
            if (at == start)
                break;
        }
        at -= 8;
    }
    return false;
}

/* --- What optimized code says of itself ------------------------------------------------------- */

struct deopt_data {
    uint64_t object, literals, positions;
    int32_t length, inlined_count, literal_count, position_bytes;
    bool is_osr; /* it was entered in the middle of a loop */
};

static bool array_element(struct v8_heap *heap, uint64_t array, int32_t length, int32_t index,
                          uint64_t *word)
{
    return index >= 0 && index < length &&
           v8_field(heap, array, heap->layout->published.array_data + 8 * index, word);
}

static bool array_length(struct v8_heap *heap, uint64_t array, int32_t *length)
{
    return v8_smi_field(heap, array, heap->layout->published.array_length, length) &&
           *length >= 0 && *length < V8_TABLE_LIMIT;
}

static bool unwrap_function(struct v8_heap *heap, uint64_t word, uint64_t *shared)
{
    const struct v8_layout *layout = heap->layout;
    *shared = word & ~(uint64_t)WEAK;
    if (layout->published.type_shared_function_wrapper != V8_ABSENT &&
        v8_has_type(heap, *shared, layout->published.type_shared_function_wrapper))
        return v8_field(heap, *shared, layout->wrapper_shared, shared);
    return true;
}

static bool read_deopt_data(struct v8_heap *heap, const struct v8_code *code, uint64_t shared,
                            struct deopt_data *data)
{
    const struct v8_layout *layout = heap->layout;
    uint64_t word, function;
    int32_t osr_offset;
    if (!v8_field(heap, code->object, layout->code_deopt_data, &data->object) ||
        !array_length(heap, data->object, &data->length) ||
        !array_element(heap, data->object, data->length, layout->deopt_inlined_count, &word) ||
        !v8_smi(word, &data->inlined_count) ||
        !array_element(heap, data->object, data->length, layout->deopt_literals, &data->literals) ||
        !array_length(heap, data->literals, &data->literal_count) ||
        !array_element(heap, data->object, data->length, layout->deopt_osr_offset, &word) ||
        !v8_smi(word, &osr_offset) ||
        !array_element(heap, data->object, data->length, layout->deopt_shared, &word) ||
        !unwrap_function(heap, word, &function) ||
        !array_element(heap, data->object, data->length, layout->deopt_inlining_positions,
                       &data->positions) ||
        !array_length(heap, data->positions, &data->position_bytes))
        return false;
    data->is_osr = osr_offset != NOT_OSR;
    return function == shared && data->inlined_count >= 0 &&
           data->inlined_count <= data->literal_count;
}

/* One entry of the table of inlined calls: which function it is, and where it was called. */
static bool inlined_call(struct v8_heap *heap, const struct deopt_data *data, int32_t index,
                         uint64_t *shared, struct v8_position *called)
{
    struct {
        int64_t position;
        int32_t function, unused;
    } entry;
    uintptr_t table = data->positions - 1 + (uintptr_t)heap->layout->published.array_data;
    uint64_t word;
    _Static_assert(sizeof entry == INLINING_ENTRY, "as V8 writes it");
    if (index < 0 || index >= data->position_bytes / INLINING_ENTRY ||
        !v8_read(heap, table + (uintptr_t)index * INLINING_ENTRY, &entry, sizeof entry) ||
        !v8_position_decode(entry.position, called))
        return false;
    *shared = 0;
    if (entry.function == OWN_FUNCTION)
        return true;
    return entry.function < data->inlined_count &&
           array_element(heap, data->literals, data->literal_count, entry.function, &word) &&
           unwrap_function(heap, word, shared);
}

/* Code that was invalidated while it was on the stack: V8 puts the address of a call to the
 * deoptimizer in place of the return address (src/deoptimizer/deoptimizer.cc), which says nothing
 * of where the function was. */
static bool is_deoptimizing(struct v8_heap *heap, uint64_t pc)
{
    unsigned char code[4];
    if (!v8_read(heap, pc, code, sizeof code))
        return true;
#if defined(__x86_64__)
    return code[0] == 0xe8 || (code[0] == 0xff && (code[1] & 0x38) == 0x10) ||
           (code[0] == 0x41 && code[1] == 0xff && (code[2] & 0x38) == 0x10);
#else
    return true; /* not known on this architecture: no details */
#endif
}

unsigned v8_code_inlined(struct v8_heap *heap, const struct v8_code *code, uint64_t pc, bool exact,
                         enum v8_encoding encoding, uint64_t shared, struct v8_inlined *out)
{
    struct deopt_data data;
    struct v8_position position;
    uint64_t table;
    unsigned count = 0;
    int32_t offset = (int32_t)(pc - code->start) - (exact ? 0 : 1);
    if ((!exact && is_deoptimizing(heap, pc)) || !read_deopt_data(heap, code, shared, &data) ||
        !v8_code_table(heap, code, &table) ||
        !v8_code_position(heap, table, encoding, (int32_t)code->size, offset, &position))
        return 0;
    while (position.inlining >= 0 && count < V8_INLINED_LIMIT - 1) {
        struct v8_position called;
        if (!inlined_call(heap, &data, position.inlining, &out[count].shared, &called))
            return 0;
        out[count++].position = position.offset;
        position = called;
    }
    if (position.inlining >= 0)
        return 0;
    out[count].shared = 0;
    out[count].position = position.offset;
    /* Maglev's own table is stale there: it says the loop instead of the call. */
    if (data.is_osr &&
        code->kind == heap->layout->published.code_kind_baseline + V8_KIND_ABOVE_BASELINE_MAGLEV)
        out[count].position = -1;
    return count + 1;
}
