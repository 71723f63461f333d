// SPDX-License-Identifier: MIT
#include "explain/cfi/cfi_program.h"

#include <string.h>

enum {
    INSTRUCTION_LIMIT = 1 << 16, /* of one entry */
    INSTRUCTION_BATCH = 64,      /* that cost as much as a read of memory */
    REMEMBERED_LIMIT = 8,        /* rows; compilers use one */
    NO_REGISTER = CFI_REGISTERS, /* one for which no rule is kept */
};

/* DW_CFA_*, version 5, table 7.29. The upper two bits alone are three of them. */
enum {
    CFA_ADVANCE_LOC = 0x40,
    CFA_OFFSET = 0x80,
    CFA_RESTORE = 0xc0,
    CFA_NOP = 0x00,
    CFA_SET_LOC,
    CFA_ADVANCE_LOC1,
    CFA_ADVANCE_LOC2,
    CFA_ADVANCE_LOC4,
    CFA_OFFSET_EXTENDED,
    CFA_RESTORE_EXTENDED,
    CFA_UNDEFINED,
    CFA_SAME_VALUE,
    CFA_REGISTER,
    CFA_REMEMBER_STATE,
    CFA_RESTORE_STATE,
    CFA_DEF_CFA,
    CFA_DEF_CFA_REGISTER,
    CFA_DEF_CFA_OFFSET,
    CFA_DEF_CFA_EXPRESSION,
    CFA_EXPRESSION,
    CFA_OFFSET_EXTENDED_SF,
    CFA_DEF_CFA_SF,
    CFA_DEF_CFA_OFFSET_SF,
    CFA_VAL_OFFSET,
    CFA_VAL_OFFSET_SF,
    CFA_VAL_EXPRESSION,
    CFA_AARCH64_NEGATE_RA_STATE_WITH_PC = 0x2c,
    CFA_AARCH64_NEGATE_RA_STATE = 0x2d,
    CFA_GNU_ARGS_SIZE = 0x2e,
    CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
};

/* What a row says, without where. */
struct rules {
    uint64_t cfa_register;
    int64_t cfa_offset;
    uintptr_t cfa_expression;
    uint8_t rule[CFI_REGISTERS + 1];
    int64_t value[CFI_REGISTERS + 1];
    bool signed_return;
};

struct program {
    struct table_cursor code;
    const struct frame_entry *entry;
    uintptr_t location; /* where what was said last begins to hold */
    struct rules now;
    struct rules initial; /* as the common instructions left them */
    struct rules remembered[REMEMBERED_LIMIT];
    unsigned remembered_count;
    unsigned instructions;
    bool failed;
};

static int64_t scaled(const struct program *program, int64_t value)
{
    return (int64_t)((uint64_t)value * (uint64_t)program->entry->data_factor);
}

/* The next operand, a register's number; those of which no rule is kept are all one. */
static unsigned take_register(struct program *program)
{
    uint64_t number = cursor_uleb(&program->code);
    return number < CFI_REGISTERS ? (unsigned)number : (unsigned)NO_REGISTER;
}

static void set_rule(struct program *program, unsigned number, enum cfi_rule rule, int64_t value)
{
    if (number > NO_REGISTER)
        number = NO_REGISTER;
    program->now.rule[number] = (uint8_t)rule;
    program->now.value[number] = value;
}

static void restore_rule(struct program *program, unsigned number)
{
    if (number > NO_REGISTER)
        number = NO_REGISTER;
    program->now.rule[number] = program->initial.rule[number];
    program->now.value[number] = program->initial.value[number];
}

static uintptr_t take_block(struct program *program)
{
    uintptr_t block = program->code.at;
    cursor_skip(&program->code, cursor_uleb(&program->code));
    return block;
}

static void define_cfa(struct program *program, uint64_t number, int64_t offset)
{
    program->now.cfa_register = number;
    program->now.cfa_offset = offset;
    program->now.cfa_expression = 0;
}

static void define_cfa_offset(struct program *program, int64_t offset)
{
    program->failed = program->failed || program->now.cfa_expression != 0;
    program->now.cfa_offset = offset;
}

static void remember(struct program *program)
{
    if (program->remembered_count < REMEMBERED_LIMIT)
        program->remembered[program->remembered_count++] = program->now;
    else
        program->failed = true;
}

static void recall(struct program *program)
{
    if (program->remembered_count > 0)
        program->now = program->remembered[--program->remembered_count];
    else
        program->failed = true;
}

static void advance(struct program *program, uint64_t distance)
{
    program->location += distance * program->entry->code_factor;
}

/* What moves the location; false: it is another instruction. */
static bool run_advance(struct program *program, uint8_t instruction)
{
    switch (instruction) {
    case CFA_SET_LOC:
        program->location = cursor_pointer(&program->code, program->entry->pointer_encoding, 0);
        return true;
    case CFA_ADVANCE_LOC1:
        advance(program, cursor_u8(&program->code));
        return true;
    case CFA_ADVANCE_LOC2:
        advance(program, cursor_u16(&program->code));
        return true;
    case CFA_ADVANCE_LOC4:
        advance(program, cursor_u32(&program->code));
        return true;
    default:
        if ((instruction & 0xc0) != CFA_ADVANCE_LOC)
            return false;
        advance(program, instruction & 0x3f);
        return true;
    }
}

/* What tells of the canonical frame address. */
static bool run_define_cfa(struct program *program, uint8_t instruction)
{
    struct table_cursor *code = &program->code;
    uint64_t number;
    switch (instruction) {
    case CFA_DEF_CFA:
        number = cursor_uleb(code);
        define_cfa(program, number, (int64_t)cursor_uleb(code));
        return true;
    case CFA_DEF_CFA_SF:
        number = cursor_uleb(code);
        define_cfa(program, number, scaled(program, cursor_sleb(code)));
        return true;
    case CFA_DEF_CFA_REGISTER:
        define_cfa(program, cursor_uleb(code), program->now.cfa_offset);
        return true;
    case CFA_DEF_CFA_OFFSET:
        define_cfa_offset(program, (int64_t)cursor_uleb(code));
        return true;
    case CFA_DEF_CFA_OFFSET_SF:
        define_cfa_offset(program, scaled(program, cursor_sleb(code)));
        return true;
    case CFA_DEF_CFA_EXPRESSION:
        program->now.cfa_expression = take_block(program);
        return true;
    default:
        return false;
    }
}

/* What tells of one register. */
static bool run_rule(struct program *program, uint8_t instruction)
{
    struct table_cursor *code = &program->code;
    unsigned number;
    if ((instruction & 0xc0) == CFA_OFFSET) {
        set_rule(program, instruction & 0x3f, CFI_OFFSET,
                 scaled(program, (int64_t)cursor_uleb(code)));
        return true;
    }
    if ((instruction & 0xc0) == CFA_RESTORE) {
        restore_rule(program, instruction & 0x3f);
        return true;
    }
    if (instruction < CFA_OFFSET_EXTENDED)
        return false;
    switch (instruction) {
    case CFA_OFFSET_EXTENDED:
        number = take_register(program);
        set_rule(program, number, CFI_OFFSET, scaled(program, (int64_t)cursor_uleb(code)));
        return true;
    case CFA_OFFSET_EXTENDED_SF:
        number = take_register(program);
        set_rule(program, number, CFI_OFFSET, scaled(program, cursor_sleb(code)));
        return true;
    case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
        number = take_register(program);
        set_rule(program, number, CFI_OFFSET,
                 (int64_t)(0 - (uint64_t)scaled(program, (int64_t)cursor_uleb(code))));
        return true;
    case CFA_VAL_OFFSET:
        number = take_register(program);
        set_rule(program, number, CFI_VAL_OFFSET, scaled(program, (int64_t)cursor_uleb(code)));
        return true;
    case CFA_VAL_OFFSET_SF:
        number = take_register(program);
        set_rule(program, number, CFI_VAL_OFFSET, scaled(program, cursor_sleb(code)));
        return true;
    case CFA_RESTORE_EXTENDED:
        restore_rule(program, take_register(program));
        return true;
    case CFA_UNDEFINED:
        set_rule(program, take_register(program), CFI_UNDEFINED, 0);
        return true;
    case CFA_SAME_VALUE:
        set_rule(program, take_register(program), CFI_SAME, 0);
        return true;
    case CFA_REGISTER:
        number = take_register(program);
        set_rule(program, number, CFI_REGISTER, (int64_t)cursor_uleb(code));
        return true;
    case CFA_EXPRESSION:
        number = take_register(program);
        set_rule(program, number, CFI_EXPRESSION, (int64_t)take_block(program));
        return true;
    case CFA_VAL_EXPRESSION:
        number = take_register(program);
        set_rule(program, number, CFI_VAL_EXPRESSION, (int64_t)take_block(program));
        return true;
    default:
        return false;
    }
}

static void run_other(struct program *program, uint8_t instruction)
{
    switch (instruction) {
    case CFA_NOP:
        break;
    case CFA_REMEMBER_STATE:
        remember(program);
        break;
    case CFA_RESTORE_STATE:
        recall(program);
        break;
    case CFA_GNU_ARGS_SIZE: /* for those that land in an exception handler */
        cursor_uleb(&program->code);
        break;
#if defined(__aarch64__)
    case CFA_AARCH64_NEGATE_RA_STATE:
    case CFA_AARCH64_NEGATE_RA_STATE_WITH_PC:
        program->now.signed_return = !program->now.signed_return;
        break;
#endif
    default:
        program->failed = true;
    }
}

/* Runs the instructions in [start, end) until one makes the location pass `pc`. */
static void run(struct program *program, uintptr_t start, uintptr_t end, uintptr_t pc,
                struct cfi_row *row)
{
    program->code.at = start;
    program->code.end = end;
    while (!program->failed && program->code.at < program->code.end) {
        uint8_t instruction = cursor_u8(&program->code);
        if (run_advance(program, instruction)) {
            if (program->location > pc) {
                row->end = program->location;
                break;
            }
            row->start = program->location;
        } else if (!run_define_cfa(program, instruction) && !run_rule(program, instruction)) {
            run_other(program, instruction);
        }
        if (program->code.failed || ++program->instructions > INSTRUCTION_LIMIT)
            program->failed = true;
    }
    program->failed = program->failed || program->code.failed;
}

bool cfi_row_at(const struct unwind_memory *memory, const struct frame_entry *entry, uintptr_t pc,
                struct cfi_row *row)
{
    struct program program;
    program.entry = entry;
    program.location = entry->start;
    program.remembered_count = 0;
    program.instructions = 0;
    program.failed = false;
    memset(&program.now, 0, sizeof(program.now));
    program.now.cfa_register = UINT64_MAX; /* of none that there is */
    program.initial = program.now;
    row->start = entry->start;
    row->end = entry->end;
    cursor_begin(&program.code, memory, entry->common, entry->common_end);
    run(&program, entry->common, entry->common_end, UINTPTR_MAX, row);
    program.initial = program.now;
    program.location = entry->start;
    row->start = entry->start;
    run(&program, entry->own, entry->own_end, pc, row);
    if (program.failed ||
        !stack_snapshot_spend(memory->snapshot, program.instructions / INSTRUCTION_BATCH))
        return false;
    row->cfa_register = program.now.cfa_register;
    row->cfa_offset = program.now.cfa_offset;
    row->cfa_expression = program.now.cfa_expression;
    row->signed_return = program.now.signed_return;
    memcpy(row->rule, program.now.rule, sizeof(row->rule));
    memcpy(row->value, program.now.value, sizeof(row->value));
    return true;
}
