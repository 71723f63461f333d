// SPDX-License-Identifier: MIT
/*
 * Which function of an ELF symbol table covers an address.
 *
 * A table is read once, in pieces, for any number of addresses: node has some 300,000 symbols. It
 * is read, not mapped: a file that is truncated while it is mapped kills its reader with SIGBUS.
 * The same code reads tables of files and of memory. Nothing that is read is trusted.
 */
#ifndef PIPESHIM_EXPLAIN_SYMBOL_TABLE_H
#define PIPESHIM_EXPLAIN_SYMBOL_TABLE_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/modules.h"
#include "kernel/memory_reader.h"

struct symbol_table {
    struct memory_reader reader;
    uintptr_t symbols; /* address (file offset) of the first Elf64_Sym */
    uint64_t count;
    uintptr_t names; /* its string table */
    uint64_t names_size;
    bool partial; /* exported functions only (.dynsym), or none at all */
};

/* An address that wants a name, and the best one so far. */
struct symbol_target {
    uint64_t address; /* as the ELF file counts: address in memory - load bias */
    bool found;
    Elf64_Sym symbol;
    char name[SYMBOL_NAME_LIMIT];
};

/* Reads through `reader` the headers of the ELF file at offset 0: its .symtab, else its .dynsym.
 * False if it has neither, or is no ELF file. */
bool symbol_table_of_file(const struct memory_reader *reader, struct symbol_table *table);

/* The build-id in an ELF file's note sections; returns its bytes, 0 if it has none. */
size_t symbol_file_build_id(const struct memory_reader *reader, uint8_t *build_id);

/* The .dynsym of a loaded object, through its PT_DYNAMIC. */
bool symbol_table_of_module(const struct memory_reader *reader, const struct module *module,
                            struct symbol_table *table);

enum { SYMBOL_BUFFER_SIZE = 48 * 1024 }; /* a multiple of sizeof(Elf64_Sym) */

/*
 * Looks for all targets (sorted by address, ascending) in one pass. A function whose size covers
 * the address goes before the nearest one without a size; of several names of one function, an
 * exported one goes before a local one, then the one with fewer leading underscores.
 */
void symbol_table_search(const struct symbol_table *table, struct symbol_target *targets,
                         size_t count, unsigned char buffer[SYMBOL_BUFFER_SIZE]);

/* Runs on: watchdog. AS-safe: yes. Blocks: as long as the file's file system does. */
#endif
