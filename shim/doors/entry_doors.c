// SPDX-License-Identifier: MIT
/*
 * Doors of the calls that are made millions of times a second: they record the entry and jump on.
 *
 * A kernel clears the processor's return predictor on its way, so a frame between a call and the
 * kernel costs one more misprediction at its `ret`: more than all that is stored here. Without a
 * frame nobody can mark the end, so the slot says what the thread entered last; whether it is still
 * inside the kernel is asked (watch/proof.h). What must be known at the end has a frame: the door
 * of doors.c with the same arguments, which is jumped to
 *   - when the slot is not armed, or is one whose calls are marked at both ends;
 *   - of a write to one of the descriptors 0 to 2, which may be refused by a flag that another
 *     process has set (doors/nonblocking_doors.h).
 * No compiler promises a function without a frame that reads its own stack pointer: hence
 * assembler.
 *
 * A thread that is no loop has its reads pass, and all threads have all calls pass where the
 * library never begins (PIPESHIM_ONLY of another program).
 *
 * A system call waits for what the door has loaded (Intel Xeon, 2026): thread_slot takes two loads
 * of which each waits for the one before, 8 cycles of a door's 15. The first thread's slot stands
 * where the instructions say, and its thread pointer is compared meanwhile.
 */
#include <stddef.h>

#include "base/kernel_calls.h"
#include "slots/slot.h"

/* The numbers that stand in the instructions. */
_Static_assert(offsetof(struct slot, sequence) == 0, "");
_Static_assert(offsetof(struct slot, armed) == 4 && SLOT_MARKS_ENTRY == 1, "");
_Static_assert(offsetof(struct slot, call) == 8 && CALL_END_UNMARKED == 0x10000, "");
_Static_assert(offsetof(struct slot, reads) == 12 && READS_RECORDED == 1 && READS_PASS == 2 &&
                   CALLS_PASS == 3,
               "");
_Static_assert(offsetof(struct slot, fd) == 16, "");
_Static_assert(offsetof(struct slot, detail) == 24, "");
_Static_assert(offsetof(struct slot, buffer) == 32, "");
_Static_assert(offsetof(struct slot, registers.sp) == 48, "");
_Static_assert(offsetof(struct static_slots, first) == 0, "");

/* The number of each row, as enum call_id counts them: the assembler counts along. */
__asm__(".set pipeshim_call, 0"); /* CALL_none */
#define COUNT __asm__(".set pipeshim_call, pipeshim_call + 1");

#define FUNCTION(name, body)                                                                       \
    __asm__(".pushsection .text.entry_doors, \"ax\", %progbits\n"                                  \
            ".globl " name "\n"                                                                    \
            ".type " name ", %function\n"                                                          \
            ".p2align 6\n" name ":\n"                                                              \
            ".cfi_startproc\n" body ".cfi_endproc\n"                                               \
            ".size " name ", . - " name "\n"                                                       \
            ".popsection\n");

#if defined(__x86_64__)
_Static_assert(offsetof(struct slot, registers.rbp) == 56, "");

#ifdef __CET__
#define LANDING "endbr64\n"
#else
#define LANDING ""
#endif

/* As slot_of_thread(); %r10d: its sequence, for what a system call waits for is best loaded first.
 */
#define SLOT_OF_THREAD                                                                             \
    "movq first_thread_pointer(%rip), %r11\n"                                                      \
    "leaq static_slots(%rip), %rax\n"                                                              \
    "cmpq %fs:0, %r11\n"                                                                           \
    "jne 3f\n"                                                                                     \
    "4: movl (%rax), %r10d\n"
#define SLOT_OF_ANOTHER_THREAD                                                                     \
    "3: movq thread_slot@gottpoff(%rip), %rax\n"                                                   \
    "movq %fs:(%rax), %rax\n"                                                                      \
    "jmp 4b\n"

/* The last store is the sequence: what another thread sees after it, it sees complete. (A record of
 * which the thread's own signal handler has made another is none: watch/proof.h finds out.) */
#define RECORD                                                                                     \
    "movq %rsi, 32(%rax)\n"                                                                        \
    "movl %edi, 16(%rax)\n"                                                                        \
    "movq %rsp, 48(%rax)\n"                                                                        \
    "movq %rbp, 56(%rax)\n"                                                                        \
    "addl $1, %r10d\n"                                                                             \
    "movl $(pipeshim_call + 0x10000), 8(%rax)\n"                                                   \
    "orl $1, %r10d\n"                                                                              \
    "movq %rdx, 24(%rax)\n"                                                                        \
    "movl %r10d, (%rax)\n"

#define DOOR_PIPE_WRITE(name)                                                                      \
    FUNCTION(name,                                                                                 \
             LANDING SLOT_OF_THREAD "cmpl $1, 4(%rax)\n"                                           \
                                    "jne 2f\n"                                                     \
                                    "cmpl $2, %edi\n"                                              \
                                    "jbe framed_" name "\n" RECORD "1: jmp *real_" name "(%rip)\n" \
                                    "2: cmpl $3, 12(%rax)\n"                                       \
                                    "jne framed_" name "\n"                                        \
                                    "jmp 1b\n" SLOT_OF_ANOTHER_THREAD)

#define DOOR_PIPE_READ(name)                                                                       \
    FUNCTION(name, LANDING SLOT_OF_THREAD "cmpl $1, 12(%rax)\n"                                    \
                                          "ja 1f\n"                                                \
                                          "jb framed_" name "\n" RECORD "1: jmp *real_" name       \
                                          "(%rip)\n" SLOT_OF_ANOTHER_THREAD)

#elif defined(__aarch64__)
_Static_assert(offsetof(struct slot, registers.fp) == 136, "");

#define SLOT_OF_THREAD                                                                             \
    "hint #34\n" /* bti c */                                                                       \
    "mrs x9, tpidr_el0\n"                                                                          \
    "adrp x10, :gottprel:thread_slot\n"                                                            \
    "ldr x10, [x10, :gottprel_lo12:thread_slot]\n"                                                 \
    "ldr x9, [x9, x10]\n"

#define RECORD                                                                                     \
    "mov w10, #pipeshim_call\n"                                                                    \
    "movk w10, #1, lsl #16\n"                                                                      \
    "str w10, [x9, #8]\n"                                                                          \
    "str w0, [x9, #16]\n"                                                                          \
    "stp x2, x1, [x9, #24]\n"                                                                      \
    "mov x10, sp\n"                                                                                \
    "str x10, [x9, #48]\n"                                                                         \
    "stp x29, x30, [x9, #136]\n"                                                                   \
    "ldr w10, [x9]\n"                                                                              \
    "add w10, w10, #1\n"                                                                           \
    "orr w10, w10, #1\n"                                                                           \
    "stlr w10, [x9]\n"

#define JUMP_TO_REAL(name)                                                                         \
    "adrp x16, real_" name "\n"                                                                    \
    "ldr x16, [x16, :lo12:real_" name "]\n"                                                        \
    "br x16\n"

#define DOOR_PIPE_WRITE(name)                                                                      \
    FUNCTION(name,                                                                                 \
             SLOT_OF_THREAD "ldr w10, [x9, #4]\n"                                                  \
                            "cmp w10, #1\n"                                                        \
                            "b.ne 1f\n"                                                            \
                            "cmp w0, #2\n"                                                         \
                            "b.ls 2f\n" RECORD "3: " JUMP_TO_REAL(name) "1: ldr w10, [x9, #12]\n"  \
                                                                        "cmp w10, #3\n"            \
                                                                        "b.eq 3b\n"                \
                                                                        "2: b framed_" name "\n")

#define DOOR_PIPE_READ(name)                                                                       \
    FUNCTION(name,                                                                                 \
             SLOT_OF_THREAD "ldr w10, [x9, #12]\n"                                                 \
                            "cmp w10, #1\n"                                                        \
                            "b.hi 1f\n"                                                            \
                            "b.lo 2f\n" RECORD "1:" JUMP_TO_REAL(name) "2: b framed_" name "\n")
#endif

#define CALL(type, name, parameters, arguments, class, fd, detail, number)                 COUNT
#define CALL_VOID(name, parameters, arguments, class, fd, detail, number)                  COUNT
#define CALL_VARIADIC(type, name, parameters, last, twin, arguments, class, fd, d, number) COUNT
#define CALL_VOID_VARIADIC(name, parameters, last, twin, arguments, class, fd, d, number)  COUNT
#define CALL_READINESS(type, name, parameters, arguments, number)                          COUNT
#define CONTROL(type, name, parameters)
#define CALL_ENTERED(type, name, parameters, arguments, class, fd, detail, number)                 \
    COUNT                                                                                          \
    __asm__(".hidden framed_" #name "\n.hidden real_" #name "\n");                                 \
    DOOR_##class(#name)

__asm__(".hidden thread_slot\n.hidden first_thread_pointer\n.hidden static_slots\n");
#include "facts/calls.def"
