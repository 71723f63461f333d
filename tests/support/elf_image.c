// SPDX-License-Identifier: MIT
#include "elf_image.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SEGMENT_LIMIT = 64 };

static bool read_segments(int fd, Elf64_Phdr *segments, size_t *count)
{
    Elf64_Ehdr header;
    if (pread(fd, &header, sizeof(header), 0) != sizeof(header) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_phnum > SEGMENT_LIMIT)
        return false;
    *count = header.e_phnum;
    ssize_t size = (ssize_t)(*count * sizeof(*segments));
    return pread(fd, segments, (size_t)size, (off_t)header.e_phoff) == size;
}

static bool map(int fd, struct elf_image *image)
{
    Elf64_Phdr segments[SEGMENT_LIMIT];
    size_t count;
    if (!read_segments(fd, segments, &count))
        return false;
    uintptr_t first = UINTPTR_MAX, end = 0, frames = 0;
    for (size_t i = 0; i < count; i++) {
        if (segments[i].p_type == PT_GNU_EH_FRAME)
            frames = segments[i].p_vaddr;
        if (segments[i].p_type != PT_LOAD)
            continue;
        first = segments[i].p_vaddr < first ? segments[i].p_vaddr : first;
        uintptr_t segment_end = segments[i].p_vaddr + segments[i].p_memsz;
        end = segment_end > end ? segment_end : end;
    }
    if (first >= end)
        return false;
    image->first = first & ~(uintptr_t)4095;
    image->size = end - image->first;
    image->memory =
        mmap(NULL, image->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (image->memory == MAP_FAILED)
        return false;
    for (size_t i = 0; i < count; i++) {
        const Elf64_Phdr *segment = &segments[i];
        if (segment->p_type == PT_LOAD &&
            pread(fd, image->memory + (segment->p_vaddr - image->first), segment->p_filesz,
                  (off_t)segment->p_offset) != (ssize_t)segment->p_filesz)
            return false;
    }
    image->load_bias = (uintptr_t)image->memory - image->first;
    image->eh_frame_hdr = frames == 0 ? 0 : frames + image->load_bias;
    return true;
}

bool elf_image_map(const char *path, struct elf_image *image)
{
    *image = (struct elf_image){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool mapped = fd >= 0 && map(fd, image);
    if (fd >= 0)
        close(fd);
    if (!mapped)
        elf_image_unmap(image);
    return mapped;
}

void elf_image_unmap(struct elf_image *image)
{
    if (image->memory != NULL && image->memory != MAP_FAILED)
        munmap(image->memory, image->size);
    *image = (struct elf_image){0};
}
