// SPDX-License-Identifier: MIT
#include "cfi_image.h"

#include <string.h>

unsigned char cfi_image[IMAGE_SIZE];
struct stack_snapshot cfi_snapshot;
struct memory_reader cfi_reader;
const struct unwind_memory cfi_memory = {.snapshot = &cfi_snapshot, .reader = &cfi_reader};
const struct unwind_tables cfi_plain = {
    .low = IMAGE, .high = IMAGE + IMAGE_SIZE, .eh_frame = IMAGE};
const struct unwind_tables cfi_with_header = {
    .low = IMAGE, .high = IMAGE + IMAGE_SIZE, .eh_frame_hdr = IMAGE};

int cfi_set_up(void **state)
{
    (void)state;
    memset(cfi_image, 0, sizeof(cfi_image));
    cfi_reader = memory_reader_image(cfi_image, IMAGE, sizeof(cfi_image));
    stack_snapshot_begin(&cfi_snapshot);
    return 0;
}

void cfi_put32(unsigned at, uint32_t value)
{
    memcpy(cfi_image + at, &value, sizeof(value));
}

unsigned cfi_put_common(unsigned at, const unsigned char *code, unsigned size)
{
    static const unsigned char head[] = {0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, CFI_PC, 1, 0x1b};
    memcpy(cfi_image + at + 4, head, sizeof(head));
    memcpy(cfi_image + at + 4 + sizeof(head), code, size);
    cfi_put32(at, (uint32_t)sizeof(head) + size);
    return at + 4 + (unsigned)sizeof(head) + size;
}

unsigned cfi_put_code(unsigned at, unsigned common, uintptr_t start, uint32_t size,
                      const unsigned char *code, unsigned code_size)
{
    cfi_put32(at, 13 + code_size);
    cfi_put32(at + 4, at + 4 - common);
    cfi_put32(at + 8, (uint32_t)(start - (IMAGE + at + 8)));
    cfi_put32(at + 12, size);
    cfi_image[at + 16] = 0;
    memcpy(cfi_image + at + 17, code, code_size);
    return at + 17 + code_size;
}

const unsigned char cfi_common_code[CFI_COMMON_CODE_SIZE] = {0x0c, 7, 8, 0x80 | CFI_PC, 1};
