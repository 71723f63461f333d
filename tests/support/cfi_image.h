// SPDX-License-Identifier: MIT
/* Unwind tables that a test makes, in the image of an object that is nowhere mapped. */
#ifndef PIPESHIM_TESTS_CFI_IMAGE_H
#define PIPESHIM_TESTS_CFI_IMAGE_H

#include "explain/cfi/frame_search.h"
#include "explain/cfi/registers.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

enum { IMAGE = 0x100000, IMAGE_SIZE = 8192, CODE = IMAGE + 4096, CFI_COMMON_CODE_SIZE = 5 };

extern unsigned char cfi_image[IMAGE_SIZE]; /* at address IMAGE */
extern struct stack_snapshot cfi_snapshot;
extern struct memory_reader cfi_reader;
extern const struct unwind_memory cfi_memory;
extern const struct unwind_tables cfi_plain, cfi_with_header; /* which table begins at IMAGE */

/* def_cfa r7 + 8, return address at cfa - 8 */
extern const unsigned char cfi_common_code[CFI_COMMON_CODE_SIZE];

/* An image of zeroes: for cmocka_unit_test_setup(). */
int cfi_set_up(void **state);

void cfi_put32(unsigned at, uint32_t value);

/* A CIE at offset `at`, version 1, "zR" with pc-relative 4 bytes; returns where the next is. */
unsigned cfi_put_common(unsigned at, const unsigned char *code, unsigned size);

/* The entry of the function at `start`, with the CIE at offset `common`; returns where the next is.
 */
unsigned cfi_put_code(unsigned at, unsigned common, uintptr_t start, uint32_t size,
                      const unsigned char *code, unsigned code_size);

#endif
