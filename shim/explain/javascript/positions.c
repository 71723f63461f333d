// SPDX-License-Identifier: MIT
#include "explain/javascript/positions.h"

enum {
    WIDE = 0, /* the first four bytecodes are prefixes */
    EXTRA_WIDE = 1,
    DEBUG_BREAK_WIDE = 2,
    DEBUG_BREAK_EXTRA_WIDE = 3,
    ENTRY = -1,
};

bool v8_bytecode_locate(struct v8_heap *heap, uint64_t bytecode, uintptr_t *bytes, uint32_t *length)
{
    const struct v8_layout *layout = heap->layout;
    int32_t found;
    if (!v8_has_type(heap, bytecode, layout->published.type_bytecode_array) ||
        !v8_smi_field(heap, bytecode, layout->bytecode_length, &found) || found <= 0 ||
        found > V8_TABLE_LIMIT)
        return false;
    *bytes = bytecode - 1 + (uintptr_t)layout->published.bytecode_data;
    *length = (uint32_t)found;
    return true;
}

/* --- Bytecodes, one after the other ----------------------------------------------------------- */

struct bytecode_walk {
    struct v8_stream stream;
    const struct v8_bytecodes *bytecodes;
    int32_t at;   /* where the current bytecode begins; before the first one ENTRY */
    int32_t next; /* where the one after it does */
    int32_t length;
};

static bool begin_walk(struct bytecode_walk *walk, struct v8_heap *heap,
                       const struct v8_bytecodes *bytecodes, uint64_t bytecode)
{
    uintptr_t bytes;
    uint32_t length;
    if (!v8_bytecode_locate(heap, bytecode, &bytes, &length))
        return false;
    v8_stream_begin(&walk->stream, heap, bytes, length);
    walk->bytecodes = bytecodes;
    walk->at = ENTRY;
    walk->next = 0;
    walk->length = (int32_t)length;
    return true;
}

static bool walk_ended(const struct bytecode_walk *walk)
{
    return walk->next == walk->length;
}

/* Goes to the next bytecode; false at the end, or if there is none that is known. */
static bool walk_on(struct bytecode_walk *walk)
{
    const struct v8_bytecodes *bytecodes = walk->bytecodes;
    unsigned scale = 0;
    uint8_t code;
    if (walk_ended(walk) || !v8_stream_byte(&walk->stream, &code))
        return false;
    walk->at = walk->next++;
    if (code <= DEBUG_BREAK_EXTRA_WIDE) {
        scale = code == WIDE || code == DEBUG_BREAK_WIDE ? 1 : 2;
        if (walk_ended(walk) || !v8_stream_byte(&walk->stream, &code))
            return false;
        walk->next++;
    }
    if (code >= bytecodes->count)
        return false;
    unsigned size = bytecodes->size[scale * bytecodes->count + code];
    if (size == 0 || (int32_t)size - 1 > walk->length - walk->next ||
        !v8_stream_skip(&walk->stream, size - 1))
        return false;
    walk->next += (int32_t)size - 1;
    return true;
}

/* Whether a bytecode begins at `offset`, which is not before the current one. Without the sizes of
 * bytecodes each one may. */
static bool walk_to(struct bytecode_walk *walk, int32_t offset)
{
    if (walk->bytecodes->count == 0)
        return offset < walk->length;
    while (walk->at < offset)
        if (!walk_on(walk))
            return false;
    return walk->at == offset;
}

static bool walk_to_end(struct bytecode_walk *walk)
{
    while (walk->bytecodes->count != 0 && !walk_ended(walk))
        if (!walk_on(walk))
            return false;
    return true;
}

/* --- Tables of positions ---------------------------------------------------------------------- */

struct position_table {
    struct v8_stream stream;
    unsigned bits; /* beside the offset */
    int64_t offset, position;
};

static bool begin_table(struct position_table *table, struct v8_heap *heap, uint64_t object,
                        enum v8_encoding encoding)
{
    uintptr_t bytes;
    uint32_t size;
    if (encoding == V8_ENCODING_UNKNOWN || !v8_byte_array(heap, object, &bytes, &size) || size == 0)
        return false;
    v8_stream_begin(&table->stream, heap, bytes, size);
    table->bits = encoding == V8_ENCODING_NEW ? 2 : 1;
    table->offset = ENTRY;
    table->position = 0;
    return true;
}

static bool next_entry(struct position_table *table, int32_t length)
{
    uint64_t coded;
    int64_t difference;
    if (!v8_stream_unsigned(&table->stream, &coded) ||
        !v8_stream_signed(&table->stream, &difference))
        return false;
    coded >>= table->bits;
    if (coded > V8_TABLE_LIMIT * 16ULL)
        return false;
    table->offset += (int64_t)coded;
    table->position = (int64_t)((uint64_t)table->position + (uint64_t)difference);
    return table->offset <= length && table->position >= 0;
}

bool v8_position_decode(int64_t coded, struct v8_position *position)
{
    position->offset = (int32_t)((coded >> 1) & 0x3fffffff) - 1;
    position->inlining = (int32_t)((coded >> 31) & 0xffff) - 1;
    return coded >= 0 && (coded & 1) == 0;
}

static bool is_in_function(int32_t position, int32_t start, int32_t end)
{
    return start < 0 || (position >= start && position <= end);
}

bool v8_bytecode_position(struct v8_heap *heap, const struct v8_bytecodes *bytecodes,
                          uint64_t bytecode, enum v8_encoding encoding, int32_t start, int32_t end,
                          int32_t offset, int32_t *position)
{
    struct position_table table;
    struct bytecode_walk walk, wanted;
    uint64_t object;
    *position = -1;
    if (!begin_walk(&walk, heap, bytecodes, bytecode) || offset < ENTRY ||
        !v8_field(heap, bytecode, heap->layout->bytecode_positions, &object) ||
        !begin_table(&table, heap, object, encoding))
        return false;
    wanted = walk;
    if (offset != ENTRY && !walk_to(&wanted, offset))
        return false;
    while (!v8_stream_ended(&table.stream)) {
        struct v8_position entry;
        if (!next_entry(&table, walk.length) || !v8_position_decode(table.position, &entry) ||
            entry.inlining >= 0 || !is_in_function(entry.offset, start, end) ||
            !walk_to(&walk, (int32_t)table.offset))
            return false;
        if (table.offset <= offset)
            *position = entry.offset;
    }
    return *position >= 0 && walk_to_end(&walk);
}

bool v8_bytecode_handler(struct v8_heap *heap, const struct v8_bytecodes *bytecodes,
                         uint64_t bytecode, int32_t offset, unsigned *handler)
{
    struct bytecode_walk walk;
    uintptr_t bytes;
    uint32_t length;
    uint8_t code[2];
    if (bytecodes->count == 0 || offset < 0 || !begin_walk(&walk, heap, bytecodes, bytecode) ||
        !walk_to(&walk, offset) || !v8_bytecode_locate(heap, bytecode, &bytes, &length) ||
        !v8_read(heap, bytes + (uint32_t)offset, code, sizeof code))
        return false;
    unsigned scale = 0;
    if (code[0] <= DEBUG_BREAK_EXTRA_WIDE)
        scale = code[0] == WIDE || code[0] == DEBUG_BREAK_WIDE ? 1 : 2;
    *handler = scale * V8_BYTECODES_LIMIT + code[scale > 0];
    return true;
}

static bool makes_sense(struct v8_heap *heap, const struct v8_bytecodes *bytecodes,
                        uint64_t bytecode, enum v8_encoding encoding, int32_t start, int32_t end)
{
    struct position_table table;
    struct bytecode_walk walk;
    uint64_t object;
    if (!begin_walk(&walk, heap, bytecodes, bytecode) ||
        !v8_field(heap, bytecode, heap->layout->bytecode_positions, &object) ||
        !begin_table(&table, heap, object, encoding))
        return false;
    while (!v8_stream_ended(&table.stream)) {
        struct v8_position entry;
        if (!next_entry(&table, walk.length) || !v8_position_decode(table.position, &entry) ||
            entry.inlining >= 0 || !is_in_function(entry.offset, start, end) ||
            !walk_to(&walk, (int32_t)table.offset))
            return false;
    }
    return walk_to_end(&walk);
}

enum v8_encoding v8_bytecode_encoding(struct v8_heap *heap, const struct v8_bytecodes *bytecodes,
                                      uint64_t bytecode, int32_t start, int32_t end)
{
    bool old = makes_sense(heap, bytecodes, bytecode, V8_ENCODING_OLD, start, end);
    bool new = makes_sense(heap, bytecodes, bytecode, V8_ENCODING_NEW, start, end);
    if (old == new)
        return V8_ENCODING_UNKNOWN;
    return old ? V8_ENCODING_OLD : V8_ENCODING_NEW;
}

bool v8_baseline_offset(struct v8_heap *heap, const struct v8_bytecodes *bytecodes,
                        uint64_t bytecode, uint64_t table, uint32_t code_offset, int32_t *offset)
{
    struct bytecode_walk walk;
    struct v8_stream ends;
    uintptr_t bytes;
    uint32_t size;
    uint64_t end = 0;
    bool found = false;
    if (bytecodes->count == 0 || !begin_walk(&walk, heap, bytecodes, bytecode) ||
        !v8_byte_array(heap, table, &bytes, &size))
        return false;
    v8_stream_begin(&ends, heap, bytes, size);
    /* One end for the entry, then one for each bytecode, and no other. */
    for (;;) {
        uint64_t length;
        if (!v8_stream_unsigned(&ends, &length) || length > V8_TABLE_LIMIT * 16ULL)
            return false;
        end += length;
        if (!found && end >= code_offset) {
            found = true;
            *offset = walk.at;
        }
        if (walk_ended(&walk))
            return found && v8_stream_ended(&ends);
        if (!walk_on(&walk))
            return false;
    }
}

bool v8_code_position(struct v8_heap *heap, uint64_t table, enum v8_encoding encoding,
                      int32_t length, int32_t offset, struct v8_position *position)
{
    struct position_table entries;
    bool found = false;
    int64_t coded = 0;
    if (!begin_table(&entries, heap, table, encoding))
        return false;
    while (!v8_stream_ended(&entries.stream)) {
        if (!next_entry(&entries, length))
            return false;
        if (entries.offset > offset)
            break;
        coded = entries.position;
        found = true;
    }
    return found && v8_position_decode(coded, position);
}
