// SPDX-License-Identifier: MIT
/*
 * Preloaded before the library: at each SIGRTMIN+9 the calls of the program and of its libraries go
 * past the library's doors, straight to libc, or through them again. So both ways are measured in
 * one process: two starts differ by more than the doors cost. Of what is loaded at the start; what
 * comes by dlopen() later goes through the doors. For tests/bench/canary.py --one-process.
 */
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined __x86_64__
enum { OF_CALL = R_X86_64_JUMP_SLOT, OF_ADDRESS = R_X86_64_GLOB_DAT };
#else
enum { OF_CALL = R_AARCH64_JUMP_SLOT, OF_ADDRESS = R_AARCH64_GLOB_DAT };
#endif
enum { LIMIT = 1024 };

static struct {
    void **at, *door, *libc;
} imports[LIMIT];
static unsigned count;
static bool past;
static void *shim, *libc;

static void note(void **at, const char *name)
{
    void *door = dlsym(shim, name), *real = dlsym(libc, name);
    /* What the library does not define is found in libc both times. */
    if (count == LIMIT || !door || !real || door == real)
        return;
    uintptr_t page = (uintptr_t)at & -(uintptr_t)sysconf(_SC_PAGESIZE);
    if (mprotect((void *)page, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE) < 0)
        return;
    imports[count].at = at;
    imports[count].door = door;
    imports[count++].libc = real;
    *at = door; /* it may still be bound at its first call */
}

static void note_imports(const struct link_map *map)
{
    const ElfW(Sym) *symbols = NULL;
    const char *strings = NULL;
    const ElfW(Rela) * tables[2] = {NULL, NULL};
    size_t sizes[2] = {0, 0};
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        switch (entry->d_tag) {
        case DT_SYMTAB:
            symbols = (const void *)entry->d_un.d_ptr;
            break;
        case DT_STRTAB:
            strings = (const void *)entry->d_un.d_ptr;
            break;
        case DT_JMPREL:
            tables[0] = (const void *)entry->d_un.d_ptr;
            break;
        case DT_PLTRELSZ:
            sizes[0] = entry->d_un.d_val;
            break;
        case DT_RELA:
            tables[1] = (const void *)entry->d_un.d_ptr;
            break;
        case DT_RELASZ:
            sizes[1] = entry->d_un.d_val;
            break;
        default:
            break;
        }
    }
    for (unsigned which = 0; symbols && strings && which < 2; which++) {
        for (size_t i = 0; tables[which] && i < sizes[which] / sizeof(ElfW(Rela)); i++) {
            const ElfW(Rela) *one = &tables[which][i];
            unsigned type = (unsigned)ELF64_R_TYPE(one->r_info);
            if (type == OF_CALL || type == OF_ADDRESS)
                note((void **)(map->l_addr + one->r_offset),
                     strings + symbols[ELF64_R_SYM(one->r_info)].st_name);
        }
    }
}

static void turn(int signal)
{
    (void)signal;
    past = !past;
    for (unsigned i = 0; i < count; i++)
        *imports[i].at = past ? imports[i].libc : imports[i].door;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("PAST_DOORS_OF");
    struct sigaction action = {.sa_handler = turn, .sa_flags = SA_RESTART};
    void *self = dlopen(NULL, RTLD_NOW);
    libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    shim = path ? dlopen(path, RTLD_NOW | RTLD_NOLOAD) : NULL;
    if (!self || !libc || !shim)
        return;
    for (const struct link_map *map = self; map; map = map->l_next)
        if (map != libc && map != shim && !strstr(map->l_name, "ld-linux") &&
            !strstr(map->l_name, "linux-vdso"))
            note_imports(map);
    if (count > 0)
        sigaction(SIGRTMIN + 9, &action, NULL); /* nginx and Node use SIGUSR1 and 2 */
}
