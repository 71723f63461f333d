// SPDX-License-Identifier: MIT
/*
 * Whether the program runs under valgrind, by valgrind's own client request (valgrind.h of its
 * distribution): a sequence of instructions that does nothing on a processor.
 */
#ifndef PIPESHIM_BASE_VALGRIND_H
#define PIPESHIM_BASE_VALGRIND_H

#include <stdbool.h>
#include <stdint.h>

static inline bool runs_on_valgrind(void)
{
    enum { RUNNING_ON_VALGRIND = 0x1001 };
    volatile uint64_t request[6] = {RUNNING_ON_VALGRIND, 0, 0, 0, 0, 0};
#if defined(__x86_64__)
    uint64_t result = 0;
    __asm__ volatile("rolq $3, %%rdi\n\trolq $13, %%rdi\n\t"
                     "rolq $61, %%rdi\n\trolq $51, %%rdi\n\t"
                     "xchgq %%rbx, %%rbx"
                     : "+d"(result)
                     : "a"(request)
                     : "cc", "memory");
    return result != 0;
#elif defined(__aarch64__)
    register uint64_t result __asm__("x3") = 0;
    register volatile uint64_t *arguments __asm__("x4") = request;
    __asm__ volatile("ror x12, x12, #3\n\tror x12, x12, #13\n\t"
                     "ror x12, x12, #51\n\tror x12, x12, #61\n\t"
                     "orr x10, x10, x10"
                     : "+r"(result)
                     : "r"(arguments)
                     : "cc", "memory");
    return result != 0;
#endif
}

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
