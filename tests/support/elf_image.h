// SPDX-License-Identifier: MIT
/*
 * An ELF file mapped as the loader would, without relocations and with nothing executable: its
 * unwind tables are as they would be at run time, whatever architecture it is for.
 */
#ifndef PIPESHIM_SUPPORT_ELF_IMAGE_H
#define PIPESHIM_SUPPORT_ELF_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_image {
    unsigned char *memory; /* what the file counts as `first` lies here */
    size_t size;
    uintptr_t first;
    uintptr_t load_bias;
    uintptr_t eh_frame_hdr; /* in memory; 0: it has none */
};

/* False if the file cannot be read, or is no ELF file of 64 bits. */
bool elf_image_map(const char *path, struct elf_image *image);
void elf_image_unmap(struct elf_image *image);

#endif
