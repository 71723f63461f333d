// SPDX-License-Identifier: MIT
/*
 * Addresses of a loaded module's exported symbols, from its mapped headers.
 *
 * dlsym(3), dladdr(3) and dl_iterate_phdr(3) take the loader's lock, which a thread that hangs in a
 * library's constructor holds. The dynamic symbol table is mapped memory: it is read like any
 * other. Async-signal-safe.
 */
#ifndef PIPESHIM_EXPLAIN_ELF_SYMBOLS_H
#define PIPESHIM_EXPLAIN_ELF_SYMBOLS_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernel/memory_reader.h"

struct elf_symbols {
    uintptr_t bias; /* what is added to an address of the file */
    uintptr_t symbols, strings;
    uintptr_t gnu_hash, hash; /* 0: the module has no such table */
};

/* Reads the headers of the module whose first page is mapped at `base`; false if that is no 64-bit
 * ELF file with a dynamic symbol table. */
bool elf_symbols_open(const struct memory_reader *reader, uintptr_t base,
                      struct elf_symbols *symbols);

/* The address of the defined dynamic symbol `name`, 0 if there is none. */
uintptr_t elf_symbols_find(const struct memory_reader *reader, const struct elf_symbols *symbols,
                           const char *name);

/* The same, and the whole entry of the table, whose address is not relocated. */
bool elf_symbols_find_entry(const struct memory_reader *reader, const struct elf_symbols *symbols,
                            const char *name, Elf64_Sym *entry);

/* The same from the .symtab section of the file that `file` reads (memory_reader_file), for an
 * executable that exports nothing: a linear search through all symbols. */
uintptr_t elf_file_symbol_find(const struct memory_reader *file, uintptr_t bias, const char *name);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
