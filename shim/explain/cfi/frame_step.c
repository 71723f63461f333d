// SPDX-License-Identifier: MIT
#include "explain/cfi/frame_step.h"

#include "explain/cfi/cfi_program.h"
#include "explain/cfi/dwarf_expression.h"

struct step {
    const struct unwind_memory *memory;
    const struct frame_entry *entry;
    const struct cfi_row *row;
    const struct cfi_registers *from;
    uint64_t cfa;
    int missing;
};

static bool find_cfa(struct step *step)
{
    const struct cfi_row *row = step->row;
    if (row->cfa_expression != 0)
        return expression_evaluate(step->memory, row->cfa_expression, step->entry->limit,
                                   step->from, NULL, &step->cfa, &step->missing);
    if (!cfi_is_known(step->from, row->cfa_register)) {
        step->missing = row->cfa_register < CFI_REGISTERS ? (int)row->cfa_register : -1;
        return false;
    }
    step->cfa = step->from->value[row->cfa_register] + (uint64_t)row->cfa_offset;
    return true;
}

/* The value of a register for which nothing was said. */
static bool find_unspecified(const struct step *step, unsigned number, uint64_t *value)
{
    if (number == CFI_SP) {
        *value = step->cfa;
        return true;
    }
    if (!step->entry->signal_frame && (cfi_callee_saved >> number & 1) == 0)
        return false;
    *value = step->from->value[number];
    return cfi_is_known(step->from, number);
}

/* The value that register `number` has in the caller; false: unknown. */
static bool find_register(struct step *step, unsigned number, uint64_t *value)
{
    int64_t operand = step->row->value[number];
    uint64_t address;
    switch ((enum cfi_rule)step->row->rule[number]) {
    case CFI_UNSPECIFIED:
        return find_unspecified(step, number, value);
    case CFI_UNDEFINED:
        return false;
    case CFI_SAME:
        if (number == CFI_SP)
            return find_unspecified(step, number, value);
        *value = step->from->value[number];
        return cfi_is_known(step->from, number);
    case CFI_OFFSET:
        return unwind_memory_read(step->memory, step->cfa + (uint64_t)operand, value,
                                  sizeof(*value));
    case CFI_VAL_OFFSET:
        *value = step->cfa + (uint64_t)operand;
        return true;
    case CFI_REGISTER:
        if (!cfi_is_known(step->from, (uint64_t)operand)) {
            step->missing = operand >= 0 && operand < CFI_REGISTERS ? (int)operand : -1;
            return false;
        }
        *value = step->from->value[operand];
        return true;
    case CFI_EXPRESSION:
        return expression_evaluate(step->memory, (uintptr_t)operand, step->entry->limit, step->from,
                                   &step->cfa, &address, &step->missing) &&
               unwind_memory_read(step->memory, address, value, sizeof(*value));
    case CFI_VAL_EXPRESSION:
        return expression_evaluate(step->memory, (uintptr_t)operand, step->entry->limit, step->from,
                                   &step->cfa, value, &step->missing);
    default:
        return false;
    }
}

/* All registers but the return address; those that cannot be found stay unknown. */
static void find_registers(struct step *step, struct cfi_registers *caller)
{
    caller->known = 0;
    for (unsigned number = 0; number < CFI_REGISTERS; number++) {
        uint64_t value;
        if (number != CFI_PC && find_register(step, number, &value))
            cfi_set(caller, number, value);
    }
}

static enum frame_step find_caller(struct step *step, struct cfi_registers *caller)
{
    uint64_t column = step->entry->return_column, pc;
    if (column >= CFI_REGISTERS)
        return FRAME_STEP_FAILED;
    if (step->row->rule[column] == CFI_UNDEFINED)
        return FRAME_STEP_OUTERMOST;
    if (!find_cfa(step))
        return FRAME_STEP_FAILED;
    find_registers(step, caller);
    step->missing = -1;
    if (!find_register(step, (unsigned)column, &pc))
        return FRAME_STEP_FAILED;
    if (step->row->signed_return)
        pc = cfi_strip_signature(pc);
    if (pc == 0)
        return FRAME_STEP_ZERO;
    if (column != CFI_PC)
        cfi_set(caller, (unsigned)column, pc);
    cfi_set(caller, CFI_PC, pc);
    return cfi_is_known(caller, CFI_SP) ? FRAME_STEP_CALLER : FRAME_STEP_FAILED;
}

enum frame_step frame_step(const struct unwind_memory *memory, const struct frame_entry *entry,
                           bool exact, struct cfi_registers *registers, int *missing)
{
    struct cfi_row row;
    struct cfi_registers caller;
    *missing = -1;
    if (!cfi_row_at(memory, entry, registers->value[CFI_PC] - (exact ? 0 : 1), &row))
        return FRAME_STEP_FAILED;
    struct step step = {
        .memory = memory, .entry = entry, .row = &row, .from = registers, .missing = -1};
    enum frame_step outcome = find_caller(&step, &caller);
    *missing = step.missing;
    if (outcome == FRAME_STEP_CALLER)
        *registers = caller;
    return outcome;
}
