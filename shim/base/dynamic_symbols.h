// SPDX-License-Identifier: MIT
/*
 * Addresses of exported symbols, found in the loaded objects' own tables.
 *
 * dlsym(3) would do, but which library has it depends on the glibc (libdl before 2.34, libc since):
 * a reference to either version is fatal with the other. It also takes the loader's lock, which a
 * signal handler must not. Here the objects that were loaded at start are walked, in the loader's
 * own order; they are never unloaded, so no lock is needed. Objects that dlopen(3) brings later are
 * not looked at.
 */
#ifndef PIPESHIM_BASE_DYNAMIC_SYMBOLS_H
#define PIPESHIM_BASE_DYNAMIC_SYMBOLS_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>

/* The tables of one object, as its dynamic section names them. */
struct symbol_tables {
    uintptr_t load_bias;
    const Elf64_Sym *symbols;
    const char *strings;
    const Elf64_Half *versions;  /* NULL: the object has no symbol versions */
    const uint32_t *gnu_hash;    /* NULL: see sysv_hash */
    const uint32_t *sysv_hash;   /* NULL: see gnu_hash */
    const Elf64_Verdef *defines; /* the versions that the object defines; NULL: none */
    const char *name;            /* DT_SONAME; NULL: none */
};

/* Reads the dynamic section `dynamic` of an object that is mapped `load_bias` beyond its ELF
 * addresses. False: it has no symbols that could be looked up. */
bool symbol_tables_read(struct symbol_tables *tables, uintptr_t load_bias,
                        const Elf64_Dyn *dynamic);

/* The definition of `name`, its default version where it has several; NULL: the object defines
 * none. Of an indirect function (STT_GNU_IFUNC) what its resolver chooses. */
void *symbol_tables_find(const struct symbol_tables *tables, const char *name);

/* True if the object defines the symbol version `version`, such as "GLIBC_2.28". */
bool symbol_tables_define(const struct symbol_tables *tables, const char *version);

/* What dlsym(RTLD_NEXT, name) finds: the first definition in an object behind this library in the
 * order of the search, else in any other one. NULL: none. */
void *symbol_next(const char *name);

/* What dlsym(RTLD_DEFAULT, name) finds, without this library's own: the executable's definition
 * (which may be a copy of a library's data), else the libraries'. NULL: none. */
void *symbol_global(const char *name);

/* Those of this process's C library, if it is glibc 2.28 or later by its name and what it defines;
 * NULL: it is another one. */
const struct symbol_tables *symbols_of_known_libc(void);

/* The end of what the loader has made read-only of the object behind its relocation (PT_GNU_RELRO);
 * 0: it has none, or its ELF header is not known to be mapped, for it does not share a page with
 * the tables. */
uintptr_t symbol_tables_relro_end(const struct symbol_tables *tables, uintptr_t page_size);

#endif
/* Runs on: program threads. AS-safe: yes. Blocks: no. */
