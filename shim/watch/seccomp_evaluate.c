// SPDX-License-Identifier: MIT
/* Classic BPF over struct seccomp_data, as seccomp(2) and the kernel's net/core/filter.c define it.
 */
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <string.h>

#include "watch/seccomp.h"

#if defined(__x86_64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

enum { SCRATCH_WORDS = 16 /* BPF_MEMWORDS */ };

struct machine {
    uint32_t a, x;
    uint32_t scratch[SCRATCH_WORDS];
};

static uint32_t load_word(const struct seccomp_data *data, uint32_t offset)
{
    uint32_t word = 0;
    if (offset <= sizeof *data - sizeof word)
        memcpy(&word, (const char *)data + offset, sizeof word);
    return word;
}

static uint32_t calculate(uint16_t operation, uint32_t a, uint32_t operand)
{
    switch (BPF_OP(operation)) {
    case BPF_ADD:
        return a + operand;
    case BPF_SUB:
        return a - operand;
    case BPF_MUL:
        return a * operand;
    case BPF_DIV:
        return operand ? a / operand : 0;
    case BPF_OR:
        return a | operand;
    case BPF_AND:
        return a & operand;
    case BPF_LSH:
        return a << (operand & 31);
    case BPF_RSH:
        return a >> (operand & 31);
    case BPF_XOR:
        return a ^ operand;
    case BPF_NEG:
        return 0 - a;
    default:
        return a;
    }
}

static bool holds(uint16_t operation, uint32_t a, uint32_t operand)
{
    switch (BPF_OP(operation)) {
    case BPF_JEQ:
        return a == operand;
    case BPF_JGT:
        return a > operand;
    case BPF_JGE:
        return a >= operand;
    case BPF_JSET:
        return (a & operand) != 0;
    default:
        return false;
    }
}

static void load(const struct sock_filter *step, const struct seccomp_data *data,
                 struct machine *machine)
{
    uint32_t value = step->k;
    if (BPF_MODE(step->code) == BPF_ABS)
        value = load_word(data, step->k);
    else if (BPF_MODE(step->code) == BPF_MEM)
        value = machine->scratch[step->k % SCRATCH_WORDS];
    else if (BPF_MODE(step->code) == BPF_LEN)
        value = sizeof *data;
    if (BPF_CLASS(step->code) == BPF_LDX)
        machine->x = value;
    else
        machine->a = value;
}

uint32_t seccomp_evaluate(const struct sock_fprog *filter, int number)
{
    const struct seccomp_data data = {.nr = number, .arch = OWN_ARCHITECTURE};
    struct machine machine = {0};
    /* Jumps only go forwards (seccomp(2)), so this ends. */
    for (uint32_t at = 0; at < filter->len; at++) {
        const struct sock_filter *step = &filter->filter[at];
        uint32_t operand = BPF_SRC(step->code) == BPF_X ? machine.x : step->k;
        switch (BPF_CLASS(step->code)) {
        case BPF_LD:
        case BPF_LDX:
            load(step, &data, &machine);
            break;
        case BPF_ST:
            machine.scratch[step->k % SCRATCH_WORDS] = machine.a;
            break;
        case BPF_STX:
            machine.scratch[step->k % SCRATCH_WORDS] = machine.x;
            break;
        case BPF_ALU:
            if (BPF_OP(step->code) == BPF_DIV && operand == 0)
                return SECCOMP_RET_KILL_THREAD; /* the kernel's program ends with 0 */
            machine.a = calculate(step->code, machine.a, operand);
            break;
        case BPF_JMP:
            if (BPF_OP(step->code) == BPF_JA)
                at += step->k < filter->len ? step->k : filter->len;
            else
                at += holds(step->code, machine.a, operand) ? step->jt : step->jf;
            break;
        case BPF_RET:
            return BPF_RVAL(step->code) == BPF_A ? machine.a : step->k;
        case BPF_MISC:
            if (BPF_MISCOP(step->code) == BPF_TAX)
                machine.x = machine.a;
            else
                machine.a = machine.x;
            break;
        default:
            return SECCOMP_RET_KILL_PROCESS;
        }
    }
    return SECCOMP_RET_KILL_PROCESS;
}
