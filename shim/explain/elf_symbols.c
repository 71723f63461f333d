// SPDX-License-Identifier: MIT
#include "explain/elf_symbols.h"

#include <elf.h>
#include <string.h>

enum {
    PROGRAM_HEADER_LIMIT = 64,
    SECTION_HEADER_LIMIT = 256,
    DYNAMIC_LIMIT = 256,
    CHAIN_LIMIT = 4096,           /* symbols in one hash bucket: a damaged chain must end */
    SYMBOL_NAME_LIMIT_BYTES = 64, /* longer than any name that is looked for */
    FILE_SYMBOL_LIMIT = 1 << 20,
    FILE_SYMBOL_BLOCK = 64,
};

static bool read_header(const struct memory_reader *reader, uintptr_t base, Elf64_Ehdr *header)
{
    return memory_read(reader, base, header, sizeof *header) &&
           memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_phentsize == sizeof(Elf64_Phdr) &&
           header->e_phnum <= PROGRAM_HEADER_LIMIT;
}

/* glibc relocates these pointers in place on x86_64 and aarch64; the vDSO and other loaders leave
 * them relative to the file. */
static uintptr_t relocated(uintptr_t value, uintptr_t bias)
{
    return value < bias ? value + bias : value;
}

static void read_dynamic(const struct memory_reader *reader, uintptr_t address,
                         struct elf_symbols *symbols)
{
    for (unsigned i = 0; i < DYNAMIC_LIMIT; i++) {
        Elf64_Dyn entry;
        if (!memory_read(reader, address + i * sizeof entry, &entry, sizeof entry))
            return;
        uintptr_t value = relocated(entry.d_un.d_ptr, symbols->bias);
        switch (entry.d_tag) {
        case DT_NULL:
            return;
        case DT_SYMTAB:
            symbols->symbols = value;
            break;
        case DT_STRTAB:
            symbols->strings = value;
            break;
        case DT_GNU_HASH:
            symbols->gnu_hash = value;
            break;
        case DT_HASH:
            symbols->hash = value;
            break;
        default:
            break;
        }
    }
}

bool elf_symbols_open(const struct memory_reader *reader, uintptr_t base,
                      struct elf_symbols *symbols)
{
    memset(symbols, 0, sizeof *symbols);
    Elf64_Ehdr header;
    if (!read_header(reader, base, &header))
        return false;
    bool have_bias = false;
    uintptr_t dynamic = 0;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        uintptr_t at = base + header.e_phoff + i * sizeof segment;
        if (!memory_read(reader, at, &segment, sizeof segment))
            return false;
        if (segment.p_type == PT_LOAD && !have_bias) {
            /* The first segment holds the headers; its address is rounded down to its page. */
            symbols->bias = base - (segment.p_vaddr - segment.p_offset);
            have_bias = true;
        } else if (segment.p_type == PT_DYNAMIC) {
            dynamic = segment.p_vaddr;
        }
    }
    if (!have_bias || dynamic == 0)
        return false;
    read_dynamic(reader, dynamic + symbols->bias, symbols);
    return symbols->symbols != 0 && symbols->strings != 0 &&
           (symbols->gnu_hash != 0 || symbols->hash != 0);
}

static bool name_equals(const struct memory_reader *reader, uintptr_t address, const char *name)
{
    char found[SYMBOL_NAME_LIMIT_BYTES];
    size_t size = strlen(name) + 1;
    return size <= sizeof found && memory_read(reader, address, found, size) &&
           memcmp(found, name, size) == 0;
}

/* Whether the symbol is defined and has that name. */
static bool read_named(const struct memory_reader *reader, const struct elf_symbols *symbols,
                       uint32_t index, const char *name, Elf64_Sym *symbol)
{
    return memory_read(reader, symbols->symbols + (uintptr_t)index * sizeof *symbol, symbol,
                       sizeof *symbol) &&
           symbol->st_shndx != SHN_UNDEF && symbol->st_value != 0 &&
           name_equals(reader, symbols->strings + symbol->st_name, name);
}

/* DT_GNU_HASH: { buckets, first symbol, bloom words, bloom shift }, bloom filter, buckets, and one
 * hash a symbol, the last of a bucket with bit 0 set. */
static bool find_by_gnu_hash(const struct memory_reader *reader, const struct elf_symbols *symbols,
                             const char *name, Elf64_Sym *entry)
{
    uint32_t header[4];
    if (!memory_read(reader, symbols->gnu_hash, header, sizeof header) || header[0] == 0)
        return false;
    uint32_t hash = 5381;
    for (const unsigned char *c = (const unsigned char *)name; *c != 0; c++)
        hash = hash * 33 + *c;
    uintptr_t buckets = symbols->gnu_hash + sizeof header + (uintptr_t)header[2] * sizeof(uint64_t);
    uintptr_t hashes = buckets + (uintptr_t)header[0] * sizeof(uint32_t);
    uint32_t index;
    if (!memory_read(reader, buckets + (uintptr_t)(hash % header[0]) * sizeof index, &index,
                     sizeof index) ||
        index < header[1])
        return false;
    for (unsigned i = 0; i < CHAIN_LIMIT; i++, index++) {
        uint32_t found;
        uintptr_t at = hashes + (uintptr_t)(index - header[1]) * sizeof found;
        if (!memory_read(reader, at, &found, sizeof found))
            return false;
        if ((found | 1) == (hash | 1) && read_named(reader, symbols, index, name, entry))
            return true;
        if (found & 1)
            return false;
    }
    return false;
}

/* DT_HASH of the System V ABI: { buckets, chains }, buckets, chains. */
static bool find_by_hash(const struct memory_reader *reader, const struct elf_symbols *symbols,
                         const char *name, Elf64_Sym *entry)
{
    uint32_t header[2];
    if (!memory_read(reader, symbols->hash, header, sizeof header) || header[0] == 0)
        return false;
    uint32_t hash = 0;
    for (const unsigned char *c = (const unsigned char *)name; *c != 0; c++) {
        hash = (hash << 4) + *c;
        hash ^= (hash >> 24) & 0xf0;
        hash &= 0x0fffffff;
    }
    uintptr_t buckets = symbols->hash + sizeof header;
    uintptr_t chains = buckets + (uintptr_t)header[0] * sizeof(uint32_t);
    uintptr_t at = buckets + (uintptr_t)(hash % header[0]) * sizeof(uint32_t);
    for (unsigned i = 0; i < CHAIN_LIMIT; i++) {
        uint32_t index;
        if (!memory_read(reader, at, &index, sizeof index) || index == STN_UNDEF ||
            index >= header[1])
            return false;
        if (read_named(reader, symbols, index, name, entry))
            return true;
        at = chains + (uintptr_t)index * sizeof(uint32_t);
    }
    return false;
}

bool elf_symbols_find_entry(const struct memory_reader *reader, const struct elf_symbols *symbols,
                            const char *name, Elf64_Sym *entry)
{
    return symbols->gnu_hash != 0 ? find_by_gnu_hash(reader, symbols, name, entry)
                                  : find_by_hash(reader, symbols, name, entry);
}

uintptr_t elf_symbols_find(const struct memory_reader *reader, const struct elf_symbols *symbols,
                           const char *name)
{
    Elf64_Sym entry;
    return elf_symbols_find_entry(reader, symbols, name, &entry) ? symbols->bias + entry.st_value
                                                                 : 0;
}

static uintptr_t search_section(const struct memory_reader *file, const Elf64_Shdr *table,
                                uintptr_t strings, const char *name)
{
    Elf64_Sym block[FILE_SYMBOL_BLOCK];
    uint64_t count = table->sh_size / sizeof *block;
    for (uint64_t i = 0; i < count && i < FILE_SYMBOL_LIMIT; i += FILE_SYMBOL_BLOCK) {
        uint64_t here = count - i < FILE_SYMBOL_BLOCK ? count - i : FILE_SYMBOL_BLOCK;
        if (!memory_read(file, table->sh_offset + i * sizeof *block, block, here * sizeof *block))
            return 0;
        for (uint64_t j = 0; j < here; j++)
            if (block[j].st_shndx != SHN_UNDEF && block[j].st_value != 0 &&
                name_equals(file, strings + block[j].st_name, name))
                return block[j].st_value;
    }
    return 0;
}

uintptr_t elf_file_symbol_find(const struct memory_reader *file, uintptr_t bias, const char *name)
{
    Elf64_Ehdr header;
    if (!read_header(file, 0, &header) || header.e_shentsize != sizeof(Elf64_Shdr) ||
        header.e_shnum > SECTION_HEADER_LIMIT)
        return 0;
    for (unsigned i = 0; i < header.e_shnum; i++) {
        Elf64_Shdr table, strings;
        if (!memory_read(file, header.e_shoff + i * sizeof table, &table, sizeof table))
            return 0;
        if (table.sh_type != SHT_SYMTAB)
            continue;
        if (table.sh_link >= header.e_shnum ||
            !memory_read(file, header.e_shoff + table.sh_link * sizeof strings, &strings,
                         sizeof strings))
            return 0;
        uintptr_t value = search_section(file, &table, strings.sh_offset, name);
        return value == 0 ? 0 : value + bias;
    }
    return 0;
}
