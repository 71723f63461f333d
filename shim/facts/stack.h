// SPDX-License-Identifier: MIT
/*
 * The facts that pass between the doors (which save registers), the watch (which decides to look)
 * and the explanation (which turns registers into a stack).
 */
#ifndef PIPESHIM_FACTS_STACK_H
#define PIPESHIM_FACTS_STACK_H

#include <stdbool.h>
#include <stdint.h>

/* The callee-saved registers of the architecture's procedure call standard, with pc and sp: all
 * that an unwinder needs to start in a function that is inside a call. */
#if defined(__x86_64__)
struct saved_registers {
    uint64_t pc, sp; /* rip, rsp */
    uint64_t rbp, rbx, r12, r13, r14, r15;
};
#elif defined(__aarch64__)
struct saved_registers {
    uint64_t pc, sp;
    uint64_t x19_to_x28[10];
    uint64_t fp, lr; /* x29, x30 */
};
#endif

/* Of saved registers; the others are unknown. */
enum registers_known { REGISTERS_ALL, REGISTERS_PC_SP, REGISTERS_PC_SP_FP };

enum {
    STACK_DEPTH_LIMIT = 256, /* the largest PIPESHIM_STACK_DEPTH */
    BUILD_ID_LIMIT = 20,     /* bytes; SHA-1, what ld and lld write by default */
    MODULE_PATH_LIMIT = 256,
    SYMBOL_NAME_LIMIT = 512, /* C++ templates have long ones */
};

/* Why a stack ends where it ends. */
enum stack_end {
    STACK_END_COMPLETE, /* the outermost frame: _start, clone */
    STACK_END_DEPTH,    /* the depth limit */
    STACK_END_LOST,     /* the next frame could not be proven */
};

struct stack_trace {
    unsigned count;
    enum stack_end end;
    uint64_t pc[STACK_DEPTH_LIMIT]; /* innermost first */
    /* Whether pc[i] is the instruction that is executed (the innermost frame, and one that a signal
     * interrupted) and not a return address, whose call is the instruction before it. */
    bool exact[STACK_DEPTH_LIMIT];
    /* Of a frame that no unwind table describes (code made by a JIT compiler): its frame pointer,
     * from which an engine's own frame can be read; 0: there is a table, or it is unknown. */
    uint64_t frame_pointer[STACK_DEPTH_LIMIT];
};

/* One frame in the user's terms. Strings are NUL-terminated, empty when unknown. */
struct stack_frame_name {
    uint64_t pc;
    uint64_t offset;        /* pc relative to the module's load address (its ELF address) */
    uint64_t symbol_offset; /* pc relative to the symbol's start */
    char module[MODULE_PATH_LIMIT];
    char symbol[SYMBOL_NAME_LIMIT];
    uint8_t build_id[BUILD_ID_LIMIT];
    uint8_t build_id_size; /* 0: none */
};

/* Runs on: any. Plain data. */
#endif
