// SPDX-License-Identifier: MIT
/*
 * Which loaded object an address belongs to, in the own process or another.
 *
 * In the own one the loader's lock must never be taken: a thread may hold it while it is blocked in
 * a library's constructor, and a child of fork(2) inherits it locked. So no dladdr(3) and no
 * dl_iterate_phdr(3), but _dl_find_object of glibc 2.35, which takes no lock, and on an older
 * glibc /proc/self/maps. Of another process /proc/PID/maps says it, read once for a look. The
 * objects' own contents are read through a memory reader: a dlclose(3) in another thread may unmap
 * them at any time.
 *
 * All functions but modules_init() are async-signal-safe and work in a thread that libc does not
 * know.
 */
#ifndef PIPESHIM_EXPLAIN_MODULES_H
#define PIPESHIM_EXPLAIN_MODULES_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/mapped_file.h"
#include "facts/stack.h"
#include "kernel/memory_reader.h"

enum { MODULE_SEGMENT_LIMIT = 32 }; /* program headers that are looked at */

struct module {
    uintptr_t map_start, map_end; /* all its segments lie in [map_start, map_end) */
    uintptr_t load_bias;          /* address in memory = address in the ELF file + load_bias */
    uintptr_t eh_frame_hdr;       /* PT_GNU_EH_FRAME in memory; 0: it has none */
    uintptr_t name;               /* where the loader keeps its name; 0: `path` has it */
    bool is_executable, is_vdso;
    char path[MODULE_PATH_LIMIT]; /* only if name is 0 */
};

/* The loaded objects of one process. */
struct modules {
    int pid; /* 0: the calling process */
    /* Of another process, by ascending address; the caller's memory. */
    const struct mapped_file *files;
    unsigned file_count;
    char executable[MODULE_PATH_LIMIT]; /* of another process: its file, as `files` names it */
};

/* Notes where the executable and the vDSO are. In the library's constructor, once. */
void modules_init(void);

/* Those of this process. After modules_init(). */
const struct modules *modules_own(void);

/* Those of process `pid` at this moment, at most `limit`, in `files`: which must stay as they are
 * while `modules` is used. False: its list of mappings may not be read. Some 100 us. */
bool modules_read(int pid, struct mapped_file *files, unsigned limit, struct modules *modules);

/* The object that is mapped at `address`; false: none. */
bool module_find(const struct modules *modules, const struct memory_reader *reader,
                 uintptr_t address, struct module *module);

/* Writes its path, "[vdso]" for the vDSO, "" if unknown. */
void module_path(const struct memory_reader *reader, const struct module *module, char *path,
                 size_t capacity);

/* Reads up to MODULE_SEGMENT_LIMIT program headers from memory; returns their number. */
size_t module_segments(const struct memory_reader *reader, const struct module *module,
                       Elf64_Phdr *segments);

/* True if `address` lies in a segment that the object's headers mark executable. */
bool module_has_code_at(const struct memory_reader *reader, const struct module *module,
                        uintptr_t address);

/* NT_GNU_BUILD_ID from the mapped notes; returns its bytes, 0 if it has none. Longer ones than
 * BUILD_ID_LIMIT are cut. */
size_t module_build_id(const struct memory_reader *reader, const struct module *module,
                       uint8_t *build_id);

/* The same from any block of ELF notes: `size` bytes at `address`. */
size_t notes_build_id(const struct memory_reader *reader, uintptr_t address, uint64_t size,
                      uint8_t *build_id);

/* Runs on: watchdog, tool; modules_init(): constructor. AS-safe: yes. Blocks: no. */
#endif
