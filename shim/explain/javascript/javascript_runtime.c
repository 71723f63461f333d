// SPDX-License-Identifier: MIT
#include "explain/javascript/javascript_runtime.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "explain/elf_symbols.h"
#include "kernel/proc_reader.h"

enum {
    OLDEST_MAJOR = 10, /* Node 18 */
    NEWEST_MAJOR = 14, /* Node 26 */
    SECTION_LIMIT = 256,
    FILE_BLOCK = 512, /* symbols read at once */
    FILE_SYMBOL_LIMIT = 1 << 20,
    FEWEST_BYTECODES = 128,
};

static const char sizes_name[] = "_ZN2v88internal11interpreter9Bytecodes14kBytecodeSizesE";

/* --- The sizes of bytecodes ------------------------------------------------------------------- */

/* The table has no published length but in its symbol. */
static bool is_sizes_size(uint64_t size)
{
    return size % V8_SCALES == 0 && size / V8_SCALES >= FEWEST_BYTECODES &&
           size / V8_SCALES <= V8_BYTECODES_LIMIT;
}

static void read_sizes(const struct memory_reader *reader, uintptr_t address, uint64_t size,
                       struct v8_bytecodes *bytecodes)
{
    if (memory_read(reader, address, bytecodes->size, size))
        bytecodes->count = (unsigned)(size / V8_SCALES);
}

/* Of V8 13 and later the symbol is in the file only, among some 150,000: its size tells most of
 * them apart. */
static bool find_in_section(const struct memory_reader *file, const Elf64_Shdr *table,
                            uintptr_t strings, Elf64_Sym *found)
{
    Elf64_Sym block[FILE_BLOCK];
    char name[sizeof sizes_name];
    uint64_t count = table->sh_size / sizeof *block;
    for (uint64_t i = 0; i < count && i < FILE_SYMBOL_LIMIT; i += FILE_BLOCK) {
        uint64_t here = count - i < FILE_BLOCK ? count - i : FILE_BLOCK;
        if (!memory_read(file, table->sh_offset + i * sizeof *block, block, here * sizeof *block))
            return false;
        for (uint64_t j = 0; j < here; j++) {
            *found = block[j];
            if (ELF64_ST_TYPE(found->st_info) == STT_OBJECT && is_sizes_size(found->st_size) &&
                memory_read(file, strings + found->st_name, name, sizeof name) &&
                memcmp(name, sizes_name, sizeof name) == 0)
                return true;
        }
    }
    return false;
}

static bool find_in_file(const struct memory_reader *file, Elf64_Sym *found)
{
    Elf64_Ehdr header;
    Elf64_Shdr table, strings;
    if (!memory_read(file, 0, &header, sizeof header) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_shentsize != sizeof table ||
        header.e_shnum > SECTION_LIMIT)
        return false;
    for (unsigned i = 0; i < header.e_shnum; i++) {
        if (!memory_read(file, header.e_shoff + i * sizeof table, &table, sizeof table))
            return false;
        if (table.sh_type == SHT_SYMTAB)
            return table.sh_link < header.e_shnum &&
                   memory_read(file, header.e_shoff + table.sh_link * sizeof strings, &strings,
                               sizeof strings) &&
                   find_in_section(file, &table, strings.sh_offset, found);
    }
    return false;
}

static void find_bytecodes(const struct memory_reader *reader, struct javascript_runtime *runtime)
{
    const struct elf_symbols *symbols = &runtime->symbols;
    struct v8_bytecodes *bytecodes = &runtime->bytecodes;
    Elf64_Sym found;
    bytecodes->count = 0;
    if (elf_symbols_find_entry(reader, symbols, sizes_name, &found)) {
        if (is_sizes_size(found.st_size))
            read_sizes(reader, symbols->bias + found.st_value, found.st_size, bytecodes);
        return;
    }
    if (!runtime->in_executable)
        return;
    char path[PROC_PATH_LIMIT];
    proc_path(path, runtime->pid, 0, "exe");
    int fd = (int)raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    struct memory_reader file = memory_reader_file(fd);
    if (find_in_file(&file, &found))
        read_sizes(reader, symbols->bias + found.st_value, found.st_size, bytecodes);
    raw_syscall(SYS_close, fd);
}

/* --- The engine ------------------------------------------------------------------------------- */

static int32_t read_number(const struct memory_reader *reader, const struct elf_symbols *symbols,
                           const char *name)
{
    uintptr_t address = elf_symbols_find(reader, symbols, name);
    int32_t value;
    return address != 0 && memory_read(reader, address, &value, sizeof value) ? value : 0;
}

/* Every runtime that loads addons has this function; those of V8 that describe themselves also have
 * the constants. */
static bool is_engine(const struct memory_reader *reader, const struct elf_symbols *symbols)
{
    return elf_symbols_find(reader, symbols, "napi_create_function") != 0;
}

static enum javascript_support find_in_module(const struct memory_reader *reader,
                                              struct javascript_runtime *runtime)
{
    const struct elf_symbols *symbols = &runtime->symbols;
    if (elf_symbols_find(reader, symbols, "v8dbg_SmiTagMask") == 0)
        return is_engine(reader, symbols) ? JAVASCRIPT_UNKNOWN : JAVASCRIPT_ABSENT;
    runtime->major = read_number(reader, symbols, "_ZN2v88internal7Version6major_E");
    runtime->minor = read_number(reader, symbols, "_ZN2v88internal7Version6minor_E");
    if (read_number(reader, symbols, "v8dbg_TaggedSize") != sizeof(uint64_t))
        return JAVASCRIPT_COMPRESSED;
    return runtime->major >= OLDEST_MAJOR && runtime->major <= NEWEST_MAJOR ? JAVASCRIPT_SUPPORTED
                                                                            : JAVASCRIPT_UNKNOWN;
}

bool javascript_runtime_prepare(const struct memory_reader *reader,
                                struct javascript_runtime *runtime)
{
    struct v8_constants constants;
    if (runtime->support != JAVASCRIPT_SUPPORTED || runtime->layout_read)
        return runtime->support == JAVASCRIPT_SUPPORTED;
    if (v8_constants_read(reader, &runtime->symbols, &constants) &&
        v8_layout_choose(&constants, &runtime->layout)) {
        find_bytecodes(reader, runtime);
        runtime->layout_read = true;
        return true;
    }
    runtime->support = JAVASCRIPT_UNKNOWN;
    return false;
}

bool javascript_runtime_find(const struct memory_reader *reader, int pid,
                             struct javascript_runtime *runtime)
{
    struct module_bases bases;
    memset(runtime, 0, sizeof *runtime);
    runtime->pid = pid;
#if defined(__x86_64__)
    if (!module_bases_read(pid, &bases))
        return false;
    const uintptr_t candidates[] = {bases.libnode, bases.executable};
    for (unsigned i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        if (candidates[i] == 0 || runtime->support != JAVASCRIPT_ABSENT ||
            !elf_symbols_open(reader, candidates[i], &runtime->symbols))
            continue;
        runtime->in_executable = candidates[i] == bases.executable;
        runtime->support = find_in_module(reader, runtime);
    }
#else
    (void)reader, (void)bases; /* frames and calls of other architectures were never measured */
#endif
    return runtime->support == JAVASCRIPT_SUPPORTED;
}

void javascript_runtime_describe(const struct javascript_runtime *runtime, char *to,
                                 size_t capacity)
{
    struct text_buffer text;
    text_init(&text, to, capacity);
    switch (runtime->support) {
    case JAVASCRIPT_SUPPORTED:
        text_string(&text, "V8 ");
        text_signed(&text, runtime->major);
        text_char(&text, '.');
        text_signed(&text, runtime->minor);
        break;
    case JAVASCRIPT_UNKNOWN:
        text_string(&text, "unknown");
        break;
    case JAVASCRIPT_COMPRESSED:
        text_string(&text, "compressed");
        break;
    default:
        break;
    }
}
