// SPDX-License-Identifier: MIT
#include "explain/javascript/function.h"

#include "explain/javascript/string.h"

enum {
    LOCAL_LIMIT = 65536,
    WORD = 8,
    HEADER = 8,          /* a ScopeInfo's words come after its map */
    LOCALS_INLINED = 75, /* a scope with more has a hash table of their names */
    SOURCE_LIMIT = 1 << 30,
    /* ScopeInfo.flags; the bits are the same in all versions. */
    SCOPE_TYPE_MASK = 15,
    HAS_SAVED_CLASS_VARIABLE = 1 << 10,
    HAS_NAME = 3 << 12,
    HAS_INFERRED_NAME = 1 << 14,
    /* Scope types: V8 13 renumbered them. */
    CLASS_SCOPE = 0,
    OLD_EVAL_SCOPE = 1,
    OLD_MODULE_SCOPE = 3,
    OLD_SCRIPT_SCOPE = 4,
    NEW_MODULE_SCOPE = 5,
};

struct scope {
    uint32_t flags;
    uint64_t name, inferred_name; /* 0: none */
    int32_t start, end;           /* -1: not known */
};

/* A position in the words of a ScopeInfo. */
struct scope_reader {
    struct v8_heap *heap;
    uint64_t object;
    int32_t offset;
};

static bool next_word(struct scope_reader *reader, uint64_t *word)
{
    bool read = v8_field(reader->heap, reader->object, reader->offset, word);
    reader->offset += WORD;
    return read;
}

static bool next_smi(struct scope_reader *reader, int32_t *value)
{
    uint64_t word;
    return next_word(reader, &word) && v8_smi(word, value);
}

static bool next_name(struct scope_reader *reader, uint64_t *name)
{
    return next_word(reader, name) && (*name == 0 || v8_is_string(reader->heap, *name));
}

static bool has_module_count(const struct v8_layout *layout, unsigned type)
{
    return layout->scope_module_count_first &&
           type == (layout->scope_positions_first ? NEW_MODULE_SCOPE : OLD_MODULE_SCOPE);
}

/* Up to V8 12: only scopes of these types say where they are. */
static bool has_positions_last(const struct v8_layout *layout, unsigned type)
{
    return !layout->scope_positions_first &&
           (type == CLASS_SCOPE || (type >= OLD_EVAL_SCOPE && type <= OLD_SCRIPT_SCOPE));
}

static bool read_positions(struct scope_reader *reader, struct scope *scope)
{
    return next_smi(reader, &scope->start) && next_smi(reader, &scope->end) && scope->start >= 0 &&
           scope->start <= scope->end && scope->end < SOURCE_LIMIT;
}

static bool read_names(struct scope_reader *reader, struct scope *scope)
{
    int32_t ignored;
    if (scope->flags & HAS_SAVED_CLASS_VARIABLE)
        reader->offset += WORD;
    if ((scope->flags & HAS_NAME) &&
        !(next_name(reader, &scope->name) && next_smi(reader, &ignored)))
        return false;
    return !(scope->flags & HAS_INFERRED_NAME) || next_name(reader, &scope->inferred_name) ||
           /* undefined, where there is none */
           (scope->inferred_name = 0, true);
}

static bool read_scope(struct v8_heap *heap, uint64_t object, struct scope *scope)
{
    const struct v8_layout *layout = heap->layout;
    const struct v8_constants *k = &layout->published;
    struct scope_reader reader = {heap, object, HEADER};
    int32_t locals;
    *scope = (struct scope){.start = -1, .end = -1};
    /* A Smi's value lies in the upper half of its word. */
    if (!v8_field32(heap, object, HEADER + (layout->scope_positions_first ? 0 : 4),
                    &scope->flags) ||
        !v8_smi_field(heap, object, HEADER + WORD * k->scope_local_count, &locals) || locals < 0 ||
        locals >= LOCAL_LIMIT)
        return false;
    reader.offset = HEADER + WORD * (k->scope_local_count + 1);
    if (layout->scope_positions_first && !read_positions(&reader, scope))
        return false;
    reader.offset = HEADER + WORD * k->scope_first_variable;
    unsigned type = scope->flags & SCOPE_TYPE_MASK;
    if (has_module_count(layout, type))
        reader.offset += WORD;
    reader.offset += WORD * (locals < LOCALS_INLINED ? locals : 1); /* names */
    reader.offset += WORD * locals;                                 /* what they are */
    return read_names(&reader, scope) &&
           (!has_positions_last(layout, type) || read_positions(&reader, scope));
}

static bool read_scope_name(struct v8_heap *heap, uint64_t scope_info, struct v8_function *function)
{
    struct scope scope;
    if (!read_scope(heap, scope_info, &scope))
        return false;
    function->start = scope.start;
    function->end = scope.end;
    if (scope.name != 0 &&
        !v8_string(heap, scope.name, V8_STRING_KEEP_START, function->name, sizeof function->name))
        return false;
    return function->name[0] != '\0' || scope.inferred_name == 0 ||
           v8_string(heap, scope.inferred_name, V8_STRING_KEEP_START, function->name,
                     sizeof function->name);
}

static bool read_name(struct v8_heap *heap, uint64_t shared, struct v8_function *function)
{
    const struct v8_constants *k = &heap->layout->published;
    uint64_t name;
    int32_t type;
    if (!v8_field(heap, shared, k->shared_name, &name))
        return false;
    if (name == 0)
        return true;
    if (!v8_type(heap, name, &type))
        return false;
    if (type < k->first_nonstring_type)
        return v8_string(heap, name, V8_STRING_KEEP_START, function->name, sizeof function->name);
    return type == k->type_scope_info && read_scope_name(heap, name, function);
}

bool v8_function_read(struct v8_heap *heap, uint64_t shared, struct v8_function *function)
{
    const struct v8_layout *layout = heap->layout;
    uint64_t script;
    int32_t type;
    function->shared = shared;
    function->script = 0;
    function->start = function->end = -1;
    function->name[0] = '\0';
    if (!v8_has_type(heap, shared, layout->published.type_shared_function) ||
        !v8_field(heap, shared, layout->shared_data, &function->data) ||
        !v8_field(heap, shared, layout->shared_script, &script) ||
        !read_name(heap, shared, function))
        return false;
    /* A builtin has `undefined` there, a function that is being debugged something else. */
    if (v8_is_pointer(script)) {
        if (!v8_type(heap, script, &type))
            return false;
        if (type == layout->published.type_script)
            function->script = script;
    }
    return true;
}

bool v8_function_is_builtin(const struct v8_function *function)
{
    int32_t number;
    return v8_smi(function->data, &number);
}

bool v8_function_has_bytecode(struct v8_heap *heap, const struct v8_function *function,
                              uint64_t bytecode)
{
    const struct v8_constants *k = &heap->layout->published;
    uint64_t first, second;
    int32_t type;
    if (function->data == bytecode)
        return true;
    if (!v8_type(heap, function->data, &type))
        return false;
    /* Bytecode that has an entry of its own, or baseline code, which points to its bytecode. */
    if (type == k->type_interpreter_data || (type == k->type_code && type != V8_ABSENT))
        return v8_field(heap, function->data, 8, &first) &&
               v8_field(heap, function->data, 16, &second) &&
               (first == bytecode || second == bytecode);
    return type == k->type_code_data_container;
}
