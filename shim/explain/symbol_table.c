// SPDX-License-Identifier: MIT
#include "explain/symbol_table.h"

#include <string.h>

enum {
    SECTION_LIMIT = 65535,
    SECTION_BATCH = 32,
    DYNAMIC_LIMIT = 512,
};
static const uint64_t symbol_limit = 1 << 24; /* of a file that claims more, the first */

/* --- Where the table is -------------------------------------------------------------------------
 */

static bool read_header(const struct memory_reader *reader, Elf64_Ehdr *header)
{
    return memory_read(reader, 0, header, sizeof(*header)) &&
           memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_shentsize == sizeof(Elf64_Shdr) &&
           header->e_shoff != 0;
}

static bool read_section(const struct memory_reader *reader, const Elf64_Ehdr *header,
                         uint64_t index, Elf64_Shdr *section)
{
    return index < header->e_shnum &&
           memory_read(reader, header->e_shoff + index * sizeof(*section), section,
                       sizeof(*section));
}

/* The next section of one of two types, from `*index` on; `*index` becomes the one after it. */
static bool next_section(const struct memory_reader *reader, const Elf64_Ehdr *header,
                         uint64_t *index, uint32_t type, uint32_t other_type, Elf64_Shdr *section)
{
    Elf64_Shdr batch[SECTION_BATCH];
    while (*index < header->e_shnum) {
        uint64_t wanted = header->e_shnum - *index;
        size_t size = (wanted < SECTION_BATCH ? wanted : SECTION_BATCH) * sizeof(*batch);
        size_t got = reader->read(reader, header->e_shoff + *index * sizeof(*batch), batch, size) /
                     sizeof(*batch);
        if (got == 0)
            return false;
        for (size_t i = 0; i < got; i++) {
            ++*index;
            if (batch[i].sh_type == type || batch[i].sh_type == other_type) {
                *section = batch[i];
                return true;
            }
        }
    }
    return false;
}

bool symbol_table_of_file(const struct memory_reader *reader, struct symbol_table *table)
{
    Elf64_Ehdr header;
    Elf64_Shdr section, symbols = {0}, names;
    if (!read_header(reader, &header))
        return false;
    for (uint64_t index = 0;
         symbols.sh_type != SHT_SYMTAB &&
         next_section(reader, &header, &index, SHT_SYMTAB, SHT_DYNSYM, &section);)
        symbols = section;
    if (symbols.sh_type == SHT_NULL || symbols.sh_entsize != sizeof(Elf64_Sym) ||
        !read_section(reader, &header, symbols.sh_link, &names) || names.sh_type != SHT_STRTAB)
        return false;
    *table = (struct symbol_table){.reader = *reader,
                                   .symbols = symbols.sh_offset,
                                   .count = symbols.sh_size / sizeof(Elf64_Sym),
                                   .names = names.sh_offset,
                                   .names_size = names.sh_size,
                                   .partial = symbols.sh_type != SHT_SYMTAB};
    return true;
}

size_t symbol_file_build_id(const struct memory_reader *reader, uint8_t *build_id)
{
    Elf64_Ehdr header;
    Elf64_Shdr section;
    if (!read_header(reader, &header))
        return 0;
    for (uint64_t index = 0; next_section(reader, &header, &index, SHT_NOTE, SHT_NOTE, &section);) {
        size_t size = notes_build_id(reader, section.sh_offset, section.sh_size, build_id);
        if (size > 0)
            return size;
    }
    return 0;
}

/* The number of symbols is nowhere in memory: the end of the last hash chain tells it. */
static uint64_t count_by_gnu_hash(const struct memory_reader *reader, uintptr_t hash)
{
    struct {
        uint32_t buckets, first_symbol, bloom_words, bloom_shift;
    } header;
    if (!memory_read(reader, hash, &header, sizeof(header)))
        return 0;
    uintptr_t buckets = hash + sizeof(header) + 8ULL * header.bloom_words;
    uintptr_t chains = buckets + 4ULL * header.buckets;
    uint32_t batch[256], last = 0;
    for (uint64_t done = 0; done < header.buckets && done < symbol_limit;) {
        uint64_t wanted = header.buckets - done < 256 ? header.buckets - done : 256;
        if (!memory_read(reader, buckets + 4 * done, batch, wanted * 4))
            return 0;
        for (uint64_t i = 0; i < wanted; i++)
            last = batch[i] > last ? batch[i] : last;
        done += wanted;
    }
    if (last < header.first_symbol)
        return header.first_symbol;
    for (uint64_t steps = 0; steps < 65536; steps++) {
        uint32_t chain;
        if (!memory_read(reader, chains + 4ULL * (last - header.first_symbol), &chain, 4))
            return 0;
        last++;
        if (chain & 1)
            return last;
    }
    return 0;
}

bool symbol_table_of_module(const struct memory_reader *reader, const struct module *module,
                            struct symbol_table *table)
{
    Elf64_Phdr segments[MODULE_SEGMENT_LIMIT];
    size_t count = module_segments(reader, module, segments);
    uintptr_t dynamic = 0;
    for (size_t i = 0; i < count; i++) {
        if (segments[i].p_type == PT_DYNAMIC)
            dynamic = module->load_bias + segments[i].p_vaddr;
    }
    uintptr_t gnu_hash = 0, hash = 0;
    *table = (struct symbol_table){.reader = *reader, .partial = true};
    Elf64_Dyn entry;
    for (unsigned i = 0; dynamic != 0 && i < DYNAMIC_LIMIT &&
                         memory_read(reader, dynamic + i * sizeof(entry), &entry, sizeof(entry)) &&
                         entry.d_tag != DT_NULL;
         i++) {
        /* The loader has relocated these in place, except where the section is read-only. */
        uintptr_t address = entry.d_un.d_ptr;
        if (address < module->map_start || address >= module->map_end)
            address += module->load_bias;
        switch (entry.d_tag) {
        case DT_SYMTAB:
            table->symbols = address;
            break;
        case DT_STRTAB:
            table->names = address;
            break;
        case DT_STRSZ:
            table->names_size = entry.d_un.d_val;
            break;
        case DT_GNU_HASH:
            gnu_hash = address;
            break;
        case DT_HASH:
            hash = address;
            break;
        default:
            break;
        }
    }
    uint32_t chains = 0;
    if (gnu_hash != 0)
        table->count = count_by_gnu_hash(reader, gnu_hash);
    else if (hash != 0 && memory_read(reader, hash + 4, &chains, sizeof(chains)))
        table->count = chains;
    return table->symbols != 0 && table->names != 0 && table->count != 0;
}

/* --- The search
 * ----------------------------------------------------------------------------------- */

static bool is_function(const Elf64_Sym *symbol)
{
    unsigned type = ELF64_ST_TYPE(symbol->st_info);
    return (type == STT_FUNC || type == STT_GNU_IFUNC) && symbol->st_shndx != SHN_UNDEF &&
           symbol->st_value != 0;
}

static bool read_name(const struct symbol_table *table, const Elf64_Sym *symbol,
                      char name[SYMBOL_NAME_LIMIT])
{
    if (symbol->st_name >= table->names_size)
        return false;
    uint64_t space = table->names_size - symbol->st_name;
    return memory_read_string(&table->reader, table->names + symbol->st_name, name,
                              space < SYMBOL_NAME_LIMIT ? space + 1 : SYMBOL_NAME_LIMIT) &&
           name[0] != '\0';
}

/* Of two symbols that both could be meant: > 0, the first is better; 0, they are aliases. */
static int compare(const Elf64_Sym *a, const Elf64_Sym *b)
{
    if ((a->st_size != 0) != (b->st_size != 0))
        return a->st_size != 0 ? 1 : -1;
    if (a->st_value != b->st_value) /* the innermost, or the nearest */
        return a->st_value > b->st_value ? 1 : -1;
    bool a_local = ELF64_ST_BIND(a->st_info) == STB_LOCAL;
    bool b_local = ELF64_ST_BIND(b->st_info) == STB_LOCAL;
    return (int)b_local - (int)a_local;
}

static size_t underscores(const char *name)
{
    return strspn(name, "_");
}

static void offer(const struct symbol_table *table, const Elf64_Sym *symbol,
                  struct symbol_target *target)
{
    int order = target->found ? compare(symbol, &target->symbol) : 1;
    char name[SYMBOL_NAME_LIMIT];
    if (order < 0 || !read_name(table, symbol, name))
        return;
    if (order == 0 && underscores(name) >= underscores(target->name))
        return;
    target->found = true;
    target->symbol = *symbol;
    memcpy(target->name, name, sizeof(name));
}

/* The first target whose address is not below `address`. */
static size_t first_from(const struct symbol_target *targets, size_t count, uint64_t address)
{
    size_t low = 0;
    while (low < count) {
        size_t middle = (low + count) / 2;
        if (targets[middle].address < address)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

static void offer_to_all(const struct symbol_table *table, const Elf64_Sym *symbol,
                         struct symbol_target *targets, size_t count)
{
    for (size_t i = first_from(targets, count, symbol->st_value); i < count; i++) {
        if (symbol->st_size != 0 && targets[i].address - symbol->st_value >= symbol->st_size)
            break;
        offer(table, symbol, &targets[i]);
    }
}

void symbol_table_search(const struct symbol_table *table, struct symbol_target *targets,
                         size_t count, unsigned char buffer[SYMBOL_BUFFER_SIZE])
{
    enum { BATCH = SYMBOL_BUFFER_SIZE / sizeof(Elf64_Sym) };
    uint64_t total = table->count < symbol_limit ? table->count : symbol_limit;
    for (uint64_t done = 0; done < total;) {
        uint64_t wanted = total - done < BATCH ? total - done : BATCH;
        uint64_t got = table->reader.read(&table->reader, table->symbols + done * sizeof(Elf64_Sym),
                                          buffer, wanted * sizeof(Elf64_Sym)) /
                       sizeof(Elf64_Sym);
        for (uint64_t i = 0; i < got; i++) {
            Elf64_Sym symbol;
            memcpy(&symbol, buffer + i * sizeof(symbol), sizeof(symbol));
            if (is_function(&symbol))
                offer_to_all(table, &symbol, targets, count);
        }
        if (got < wanted)
            return;
        done += got;
    }
}
