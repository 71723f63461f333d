// SPDX-License-Identifier: MIT
#include "watch/seccomp_evaluate.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>

#if defined(__x86_64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

enum {
    SCRATCH_WORDS = 16, /* BPF_MEMWORDS */
    /* A branch on what is not known is followed both ways: the other way is a call of follow(). */
    DEEPEST_BRANCH = 24,
    MOST_STEPS = 50 * 1000,
    LARGEST_SHIFT = 31,
};

struct word {
    uint32_t value;
    bool known;
};

struct machine {
    struct word a, x, scratch[SCRATCH_WORDS];
};

struct run {
    const struct sock_fprog *filter;
    const struct kernel_call *call;
    bool guess; /* what is not known is 0 */
    unsigned steps;
    unsigned outcomes;
    uint32_t answer; /* of the last way that was followed */
};

static const struct word unknown_word;

/* The words of struct seccomp_data, low half first on these machines. */
static struct word load_word(const struct run *run, uint32_t offset)
{
    const struct kernel_call *call = run->call;
    if (offset == offsetof(struct seccomp_data, nr))
        return (struct word){(uint32_t)call->number, true};
    if (offset == offsetof(struct seccomp_data, arch))
        return (struct word){OWN_ARCHITECTURE, true};
    if (offset >= offsetof(struct seccomp_data, args) && offset < sizeof(struct seccomp_data)) {
        uint32_t at = offset - (uint32_t)offsetof(struct seccomp_data, args);
        uint64_t argument = call->arguments[at / 8];
        if (call->known & 1U << at / 8)
            return (struct word){(uint32_t)(at % 8 ? argument >> 32 : argument), true};
    }
    return (struct word){0, run->guess};
}

static struct word calculate(uint16_t operation, struct word left, struct word right)
{
    uint32_t a = left.value;
    uint32_t operand = right.value;
    if (!left.known || (!right.known && BPF_OP(operation) != BPF_NEG))
        return unknown_word;
    switch (BPF_OP(operation)) {
    case BPF_ADD:
        return (struct word){a + operand, true};
    case BPF_SUB:
        return (struct word){a - operand, true};
    case BPF_MUL:
        return (struct word){a * operand, true};
    case BPF_DIV:
        return (struct word){operand ? a / operand : 0, true};
    case BPF_OR:
        return (struct word){a | operand, true};
    case BPF_AND:
        return (struct word){a & operand, true};
    case BPF_LSH:
        return (struct word){a << (operand & LARGEST_SHIFT), true};
    case BPF_RSH:
        return (struct word){a >> (operand & LARGEST_SHIFT), true};
    case BPF_XOR:
        return (struct word){a ^ operand, true};
    case BPF_NEG:
        return (struct word){0 - a, true};
    default:
        return unknown_word;
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

static void load(const struct run *run, const struct sock_filter *step, struct machine *machine)
{
    struct word value = {step->k, true};
    if (BPF_MODE(step->code) == BPF_ABS)
        value = load_word(run, step->k);
    else if (BPF_MODE(step->code) == BPF_MEM)
        value = machine->scratch[step->k % SCRATCH_WORDS];
    else if (BPF_MODE(step->code) == BPF_LEN)
        value.value = sizeof(struct seccomp_data);
    if (BPF_CLASS(step->code) == BPF_LDX)
        machine->x = value;
    else
        machine->a = value;
}

static void answer(struct run *run, struct word word)
{
    uint32_t action = word.value & SECCOMP_RET_ACTION_FULL;
    run->answer = word.value;
    if (word.known && (action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG))
        run->outcomes |= OUTCOME_ALLOWED;
    else
        run->outcomes |= word.known && action == SECCOMP_RET_ERRNO ? OUTCOME_FAILS : OUTCOME_OTHER;
}

static void answer_number(struct run *run, uint32_t number)
{
    answer(run, (struct word){number, true});
}

static void follow(struct run *run, uint32_t at, struct machine machine, unsigned depth);

/* Where the step goes on after `at`. */
static uint32_t jump(struct run *run, uint32_t at, const struct machine *machine, unsigned depth)
{
    const struct sock_filter *step = &run->filter->filter[at];
    struct word operand = BPF_SRC(step->code) == BPF_X ? machine->x : (struct word){step->k, true};
    if (BPF_OP(step->code) == BPF_JA)
        return at + (step->k < run->filter->len ? step->k : run->filter->len);
    if (machine->a.known && operand.known)
        return at + (holds(step->code, machine->a.value, operand.value) ? step->jt : step->jf);
    if (step->jt != step->jf)
        follow(run, at + 1 + step->jt, *machine, depth + 1);
    return at + step->jf;
}

/* Jumps only go forwards (seccomp(2)), so this ends. */
static void follow(struct run *run, uint32_t at, struct machine machine, unsigned depth)
{
    for (; at < run->filter->len && depth < DEEPEST_BRANCH && run->steps < MOST_STEPS; at++) {
        const struct sock_filter *step = &run->filter->filter[at];
        struct word operand =
            BPF_SRC(step->code) == BPF_X ? machine.x : (struct word){step->k, true};
        run->steps++;
        switch (BPF_CLASS(step->code)) {
        case BPF_LD:
        case BPF_LDX:
            load(run, step, &machine);
            break;
        case BPF_ST:
            machine.scratch[step->k % SCRATCH_WORDS] = machine.a;
            break;
        case BPF_STX:
            machine.scratch[step->k % SCRATCH_WORDS] = machine.x;
            break;
        case BPF_ALU:
            if (BPF_OP(step->code) == BPF_DIV && (!operand.known || operand.value == 0)) {
                answer_number(run, SECCOMP_RET_KILL_THREAD); /* the kernel's ends with 0 there */
                if (operand.known)
                    return;
            }
            machine.a = calculate(step->code, machine.a, operand);
            break;
        case BPF_JMP:
            at = jump(run, at, &machine, depth);
            break;
        case BPF_RET:
            answer(run, BPF_RVAL(step->code) == BPF_A ? machine.a : (struct word){step->k, true});
            return;
        case BPF_MISC:
            if (BPF_MISCOP(step->code) == BPF_TAX)
                machine.x = machine.a;
            else
                machine.a = machine.x;
            break;
        default:
            answer_number(run, SECCOMP_RET_KILL_PROCESS);
            return;
        }
    }
    answer_number(run, SECCOMP_RET_KILL_PROCESS); /* past the end, or too much to follow */
}

static struct run run_filter(const struct sock_fprog *filter, const struct kernel_call *call,
                             bool guess)
{
    struct run run = {.filter = filter, .call = call, .guess = guess};
    struct machine machine = {.a = {0, true}, .x = {0, true}};
    for (int i = 0; i < SCRATCH_WORDS; i++)
        machine.scratch[i].known = true;
    follow(&run, 0, machine, 0);
    return run;
}

unsigned seccomp_outcomes(const struct sock_fprog *filter, const struct kernel_call *call)
{
    return run_filter(filter, call, false).outcomes;
}

uint32_t seccomp_evaluate(const struct sock_fprog *filter, const struct kernel_call *call)
{
    return run_filter(filter, call, true).answer;
}

static bool is_valid_step(const struct sock_fprog *filter, uint32_t at, uint16_t *stored)
{
    const struct sock_filter *step = &filter->filter[at];
    uint32_t left = filter->len - at - 1u;
    switch (step->code) {
    case BPF_LD | BPF_W | BPF_ABS:
        return step->k % 4 == 0 && step->k < sizeof(struct seccomp_data);
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
        return step->k < SCRATCH_WORDS && (*stored >> step->k & 1);
    case BPF_ST:
    case BPF_STX:
        *stored |= (uint16_t)(1U << step->k % SCRATCH_WORDS);
        return step->k < SCRATCH_WORDS;
    case BPF_ALU | BPF_DIV | BPF_K:
        return step->k != 0;
    case BPF_ALU | BPF_LSH | BPF_K:
    case BPF_ALU | BPF_RSH | BPF_K:
        return step->k <= LARGEST_SHIFT;
    case BPF_JMP | BPF_JA:
        return step->k < left;
    case BPF_JMP | BPF_JEQ | BPF_K:
    case BPF_JMP | BPF_JEQ | BPF_X:
    case BPF_JMP | BPF_JGE | BPF_K:
    case BPF_JMP | BPF_JGE | BPF_X:
    case BPF_JMP | BPF_JGT | BPF_K:
    case BPF_JMP | BPF_JGT | BPF_X:
    case BPF_JMP | BPF_JSET | BPF_K:
    case BPF_JMP | BPF_JSET | BPF_X:
        return step->jt < left && step->jf < left;
    case BPF_LD | BPF_IMM:
    case BPF_LDX | BPF_IMM:
    case BPF_LD | BPF_W | BPF_LEN:
    case BPF_LDX | BPF_W | BPF_LEN:
    case BPF_RET | BPF_K:
    case BPF_RET | BPF_A:
    case BPF_ALU: /* BPF_ADD | BPF_K, which are 0 */
    case BPF_ALU | BPF_ADD | BPF_X:
    case BPF_ALU | BPF_SUB | BPF_K:
    case BPF_ALU | BPF_SUB | BPF_X:
    case BPF_ALU | BPF_MUL | BPF_K:
    case BPF_ALU | BPF_MUL | BPF_X:
    case BPF_ALU | BPF_DIV | BPF_X:
    case BPF_ALU | BPF_AND | BPF_K:
    case BPF_ALU | BPF_AND | BPF_X:
    case BPF_ALU | BPF_OR | BPF_K:
    case BPF_ALU | BPF_OR | BPF_X:
    case BPF_ALU | BPF_XOR | BPF_K:
    case BPF_ALU | BPF_XOR | BPF_X:
    case BPF_ALU | BPF_LSH | BPF_X:
    case BPF_ALU | BPF_RSH | BPF_X:
    case BPF_ALU | BPF_NEG:
    case BPF_MISC | BPF_TAX:
    case BPF_MISC | BPF_TXA:
        return true;
    default:
        return false;
    }
}

bool seccomp_is_valid(const struct sock_fprog *filter)
{
    uint16_t stored = 0;
    if (filter->len == 0 || filter->len > BPF_MAXINSNS)
        return false;
    for (uint32_t at = 0; at < filter->len; at++)
        if (!is_valid_step(filter, at, &stored))
            return false;
    return BPF_CLASS(filter->filter[filter->len - 1].code) == BPF_RET;
}
