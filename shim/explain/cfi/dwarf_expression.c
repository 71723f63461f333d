// SPDX-License-Identifier: MIT
#include "explain/cfi/dwarf_expression.h"

enum {
    STACK_LIMIT = 64,
    OPERATION_LIMIT = 1024, /* a branch may go back */
};

/* DW_OP_*, version 5, table 7.9. */
enum {
    OP_ADDR = 0x03,
    OP_DEREF = 0x06,
    OP_CONST1U = 0x08,
    OP_CONST1S,
    OP_CONST2U,
    OP_CONST2S,
    OP_CONST4U,
    OP_CONST4S,
    OP_CONST8U,
    OP_CONST8S,
    OP_CONSTU,
    OP_CONSTS,
    OP_DUP,
    OP_DROP,
    OP_OVER,
    OP_PICK,
    OP_SWAP,
    OP_ROT,
    OP_ABS = 0x19,
    OP_AND,
    OP_DIV,
    OP_MINUS,
    OP_MOD,
    OP_MUL,
    OP_NEG,
    OP_NOT,
    OP_OR,
    OP_PLUS,
    OP_PLUS_UCONST,
    OP_SHL,
    OP_SHR,
    OP_SHRA,
    OP_XOR,
    OP_BRA,
    OP_EQ,
    OP_GE,
    OP_GT,
    OP_LE,
    OP_LT,
    OP_NE,
    OP_SKIP,
    OP_LIT0 = 0x30,
    OP_LIT31 = 0x4f,
    OP_REG0 = 0x50,
    OP_REG31 = 0x6f,
    OP_BREG0 = 0x70,
    OP_BREG31 = 0x8f,
    OP_REGX = 0x90,
    OP_BREGX = 0x92,
    OP_DEREF_SIZE = 0x94,
    OP_NOP = 0x96,
};

struct machine {
    const struct unwind_memory *memory;
    const struct cfi_registers *registers;
    struct table_cursor code;
    uintptr_t code_start;
    uint64_t stack[STACK_LIMIT];
    unsigned depth;
    bool failed;
    int missing;
};

static void push(struct machine *machine, uint64_t value)
{
    if (machine->depth < STACK_LIMIT)
        machine->stack[machine->depth++] = value;
    else
        machine->failed = true;
}

static uint64_t pop(struct machine *machine)
{
    if (machine->depth > 0)
        return machine->stack[--machine->depth];
    machine->failed = true;
    return 0;
}

/* The value that lies `below` others. */
static uint64_t peek(struct machine *machine, unsigned below)
{
    if (below < machine->depth)
        return machine->stack[machine->depth - 1 - below];
    machine->failed = true;
    return 0;
}

static void push_register(struct machine *machine, uint64_t number, int64_t offset)
{
    if (cfi_is_known(machine->registers, number)) {
        push(machine, machine->registers->value[number] + (uint64_t)offset);
    } else {
        machine->failed = true;
        machine->missing = number < CFI_REGISTERS ? (int)number : -1;
    }
}

/* Little-endian, as both architectures are: the lower bytes of a word are its shorter value. */
static void dereference(struct machine *machine, unsigned size)
{
    uint64_t address = pop(machine), value = 0;
    if (size == 0 || size > sizeof(value) || machine->failed ||
        !unwind_memory_read(machine->memory, address, &value, size))
        machine->failed = true;
    push(machine, value);
}

static void branch(struct machine *machine, int16_t distance)
{
    uintptr_t target = machine->code.at + (uintptr_t)(intptr_t)distance;
    if (target < machine->code_start || target > machine->code.end)
        machine->failed = true;
    else
        machine->code.at = target;
}

static void swap(struct machine *machine)
{
    uint64_t a = pop(machine), b = pop(machine);
    push(machine, a);
    push(machine, b);
}

static void rotate(struct machine *machine)
{
    uint64_t a = pop(machine), b = pop(machine), c = pop(machine);
    push(machine, a);
    push(machine, c);
    push(machine, b);
}

/* With one operand. */
static bool run_unary(struct machine *machine, uint8_t operation)
{
    uint64_t value;
    switch (operation) {
    case OP_ABS:
        value = pop(machine);
        push(machine, (int64_t)value < 0 ? 0 - value : value);
        return true;
    case OP_NEG:
        push(machine, 0 - pop(machine));
        return true;
    case OP_NOT:
        push(machine, ~pop(machine));
        return true;
    case OP_PLUS_UCONST:
        value = pop(machine);
        push(machine, value + cursor_uleb(&machine->code));
        return true;
    default:
        return false;
    }
}

/* `a` is the one that was pushed first. Divisions by zero fail; the smallest number by -1, which
 * traps on x86_64, is itself. */
static uint64_t divide(struct machine *machine, uint64_t a, uint64_t b)
{
    if (b == 0)
        machine->failed = true;
    return b == 0 ? 0 : b == ~0ULL ? 0 - a : (uint64_t)((int64_t)a / (int64_t)b);
}

static uint64_t modulo(struct machine *machine, uint64_t a, uint64_t b)
{
    if (b == 0)
        machine->failed = true;
    return b == 0 ? 0 : a % b;
}

static bool run_binary(struct machine *machine, uint8_t operation)
{
    if ((operation < OP_AND || operation > OP_XOR) && (operation < OP_EQ || operation > OP_NE))
        return false;
    uint64_t b = pop(machine), a = pop(machine), result = 0;
    int64_t signed_a = (int64_t)a, signed_b = (int64_t)b;
    switch (operation) {
    case OP_AND:
        result = a & b;
        break;
    case OP_DIV:
        result = divide(machine, a, b);
        break;
    case OP_MINUS:
        result = a - b;
        break;
    case OP_MOD:
        result = modulo(machine, a, b);
        break;
    case OP_MUL:
        result = a * b;
        break;
    case OP_OR:
        result = a | b;
        break;
    case OP_PLUS:
        result = a + b;
        break;
    case OP_SHL:
        result = b < 64 ? a << b : 0;
        break;
    case OP_SHR:
        result = b < 64 ? a >> b : 0;
        break;
    case OP_SHRA:
        result = (uint64_t)(signed_a >> (b < 64 ? b : 63));
        break;
    case OP_XOR:
        result = a ^ b;
        break;
    case OP_EQ:
        result = a == b;
        break;
    case OP_GE:
        result = signed_a >= signed_b;
        break;
    case OP_GT:
        result = signed_a > signed_b;
        break;
    case OP_LE:
        result = signed_a <= signed_b;
        break;
    case OP_LT:
        result = signed_a < signed_b;
        break;
    case OP_NE:
        result = a != b;
        break;
    default:
        machine->failed = true;
    }
    push(machine, result);
    return true;
}

/* What pushes a number that the expression itself holds. */
static bool run_constant(struct machine *machine, uint8_t operation)
{
    struct table_cursor *code = &machine->code;
    switch (operation) {
    case OP_ADDR:
    case OP_CONST8U:
    case OP_CONST8S:
        push(machine, cursor_u64(code));
        return true;
    case OP_CONST1U:
        push(machine, cursor_u8(code));
        return true;
    case OP_CONST1S:
        push(machine, (uint64_t)(int8_t)cursor_u8(code));
        return true;
    case OP_CONST2U:
        push(machine, cursor_u16(code));
        return true;
    case OP_CONST2S:
        push(machine, (uint64_t)(int16_t)cursor_u16(code));
        return true;
    case OP_CONST4U:
        push(machine, cursor_u32(code));
        return true;
    case OP_CONST4S:
        push(machine, (uint64_t)(int32_t)cursor_u32(code));
        return true;
    case OP_CONSTU:
        push(machine, cursor_uleb(code));
        return true;
    case OP_CONSTS:
        push(machine, (uint64_t)cursor_sleb(code));
        return true;
    default:
        if (operation < OP_LIT0 || operation > OP_LIT31)
            return false;
        push(machine, operation - OP_LIT0);
        return true;
    }
}

/* What pushes a register. DW_OP_reg names one; in unwind tables its value is meant. */
static bool run_register(struct machine *machine, uint8_t operation)
{
    uint64_t number;
    if (operation >= OP_REG0 && operation <= OP_REG31) {
        push_register(machine, operation - OP_REG0, 0);
    } else if (operation >= OP_BREG0 && operation <= OP_BREG31) {
        push_register(machine, operation - OP_BREG0, cursor_sleb(&machine->code));
    } else if (operation == OP_REGX) {
        push_register(machine, cursor_uleb(&machine->code), 0);
    } else if (operation == OP_BREGX) {
        number = cursor_uleb(&machine->code);
        push_register(machine, number, cursor_sleb(&machine->code));
    } else {
        return false;
    }
    return true;
}

static void run_other(struct machine *machine, uint8_t operation)
{
    int16_t distance;
    switch (operation) {
    case OP_DEREF:
        dereference(machine, 8);
        break;
    case OP_DEREF_SIZE:
        dereference(machine, cursor_u8(&machine->code));
        break;
    case OP_DUP:
        push(machine, peek(machine, 0));
        break;
    case OP_DROP:
        pop(machine);
        break;
    case OP_OVER:
        push(machine, peek(machine, 1));
        break;
    case OP_PICK:
        push(machine, peek(machine, cursor_u8(&machine->code)));
        break;
    case OP_SWAP:
        swap(machine);
        break;
    case OP_ROT:
        rotate(machine);
        break;
    case OP_BRA:
        distance = (int16_t)cursor_u16(&machine->code);
        if (pop(machine) != 0)
            branch(machine, distance);
        break;
    case OP_SKIP:
        branch(machine, (int16_t)cursor_u16(&machine->code));
        break;
    case OP_NOP:
        break;
    default:
        machine->failed = true;
    }
}

bool expression_evaluate(const struct unwind_memory *memory, uintptr_t block, uintptr_t limit,
                         const struct cfi_registers *registers, const uint64_t *initial,
                         uint64_t *result, int *missing)
{
    struct machine machine;
    machine.memory = memory;
    machine.registers = registers;
    machine.depth = 0;
    machine.missing = -1;
    cursor_begin(&machine.code, memory, block, limit);
    uint64_t size = cursor_uleb(&machine.code);
    machine.failed = machine.code.failed || size > machine.code.end - machine.code.at;
    if (!machine.failed) {
        machine.code_start = machine.code.at;
        machine.code.end = machine.code_start + size;
    }
    if (initial != NULL)
        push(&machine, *initial);
    for (unsigned i = 0; !machine.failed && machine.code.at < machine.code.end; i++) {
        uint8_t operation = cursor_u8(&machine.code);
        if (!run_constant(&machine, operation) && !run_register(&machine, operation) &&
            !run_unary(&machine, operation) && !run_binary(&machine, operation))
            run_other(&machine, operation);
        machine.failed = machine.failed || machine.code.failed || i >= OPERATION_LIMIT;
    }
    *missing = machine.missing;
    *result = pop(&machine);
    return !machine.failed;
}
