// SPDX-License-Identifier: MIT
#include "base/dynamic_symbols.h"

#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>

/* Of the object that this code is in; none in a static executable. */
extern Elf64_Dyn _DYNAMIC[] __attribute__((weak, visibility("hidden")));

/* glibc writes addresses into the dynamic sections that it may write to, and leaves file offsets in
 * the others (the vDSO's); musl leaves them all as they are. */
static const void *address_of(uintptr_t load_bias, Elf64_Addr value)
{
    return (const void *)(value < load_bias ? value + load_bias : value);
}

bool symbol_tables_read(struct symbol_tables *tables, uintptr_t load_bias, const Elf64_Dyn *dynamic)
{
    Elf64_Xword name = 0;
    bool named = false;
    memset(tables, 0, sizeof *tables);
    tables->load_bias = load_bias;
    for (const Elf64_Dyn *entry = dynamic; entry && entry->d_tag != DT_NULL; entry++) {
        const void *address = address_of(load_bias, entry->d_un.d_ptr);
        switch (entry->d_tag) {
        case DT_SYMTAB:
            tables->symbols = (const Elf64_Sym *)address;
            break;
        case DT_STRTAB:
            tables->strings = (const char *)address;
            break;
        case DT_VERSYM:
            tables->versions = (const Elf64_Half *)address;
            break;
        case DT_GNU_HASH:
            tables->gnu_hash = (const uint32_t *)address;
            break;
        case DT_HASH:
            tables->sysv_hash = (const uint32_t *)address;
            break;
        case DT_VERDEF:
            tables->defines = (const Elf64_Verdef *)address;
            break;
        case DT_SONAME:
            name = entry->d_un.d_val;
            named = true;
            break;
        default:
            break;
        }
    }
    if (!tables->symbols || !tables->strings || (!tables->gnu_hash && !tables->sysv_hash))
        return false;
    tables->name = named ? tables->strings + name : NULL;
    return true;
}

static bool defines(const struct symbol_tables *tables, size_t index, const char *name)
{
    enum { HIDDEN_VERSION = 0x8000 }; /* not the default one of its name */
    const Elf64_Sym *symbol = &tables->symbols[index];
    unsigned type = ELF64_ST_TYPE(symbol->st_info);
    return symbol->st_shndx != SHN_UNDEF && symbol->st_value != 0 && type != STT_TLS &&
           !(tables->versions && (tables->versions[index] & HIDDEN_VERSION)) &&
           strcmp(tables->strings + symbol->st_name, name) == 0;
}

static const Elf64_Sym *find_by_gnu_hash(const struct symbol_tables *tables, const char *name)
{
    uint32_t hash = 5381;
    for (const char *c = name; *c; c++)
        hash = hash * 33 + (unsigned char)*c;
    const uint32_t *table = tables->gnu_hash;
    uint32_t bucket_count = table[0], first = table[1], filter_words = table[2], shift = table[3];
    const uint64_t *filter = (const uint64_t *)&table[4];
    const uint32_t *buckets = (const uint32_t *)&filter[filter_words];
    const uint32_t *chain = &buckets[bucket_count];
    if (bucket_count == 0 || filter_words == 0)
        return NULL;
    uint64_t word = filter[hash / 64 % filter_words];
    if (!(word >> hash % 64 & word >> (hash >> shift) % 64 & 1))
        return NULL;
    uint32_t index = buckets[hash % bucket_count];
    if (index < first)
        return NULL;
    for (;; index++) {
        uint32_t entry = chain[index - first];
        if ((entry | 1) == (hash | 1) && defines(tables, index, name))
            return &tables->symbols[index];
        if (entry & 1)
            return NULL;
    }
}

static uint32_t sysv_hash(const char *name)
{
    uint32_t hash = 0;
    for (const char *c = name; *c; c++) {
        hash = (hash << 4) + (unsigned char)*c;
        hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
    }
    return hash;
}

static const Elf64_Sym *find_by_sysv_hash(const struct symbol_tables *tables, const char *name)
{
    uint32_t hash = sysv_hash(name);
    const uint32_t *table = tables->sysv_hash;
    uint32_t bucket_count = table[0];
    const uint32_t *buckets = &table[2], *chain = &buckets[bucket_count];
    if (bucket_count == 0)
        return NULL;
    for (uint32_t index = buckets[hash % bucket_count]; index != 0; index = chain[index])
        if (defines(tables, index, name))
            return &tables->symbols[index];
    return NULL;
}

/* The arguments of a resolver are those of glibc's elf_ifunc_invoke(). */
static void *resolve_indirect(uintptr_t resolver)
{
#if defined(__aarch64__)
    enum { ARGUMENT_FOLLOWS_BIT = 62 };
    struct {
        unsigned long size, hwcap, hwcap2;
    } argument = {sizeof argument, getauxval(AT_HWCAP), getauxval(AT_HWCAP2)};
    return ((void *(*)(unsigned long, void *))resolver)(
        argument.hwcap | 1UL << ARGUMENT_FOLLOWS_BIT, &argument);
#else
    return ((void *(*)(void))resolver)();
#endif
}

void *symbol_tables_find(const struct symbol_tables *tables, const char *name)
{
    const Elf64_Sym *symbol =
        tables->gnu_hash ? find_by_gnu_hash(tables, name) : find_by_sysv_hash(tables, name);
    if (!symbol)
        return NULL;
    uintptr_t address =
        symbol->st_shndx == SHN_ABS ? symbol->st_value : tables->load_bias + symbol->st_value;
    return ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC ? resolve_indirect(address)
                                                           : (void *)address;
}

bool symbol_tables_define(const struct symbol_tables *tables, const char *version)
{
    const Elf64_Verdef *definition = tables->defines;
    uint32_t hash = sysv_hash(version);
    while (definition) {
        const Elf64_Verdaux *name =
            (const Elf64_Verdaux *)((const char *)definition + definition->vd_aux);
        if (definition->vd_hash == hash && strcmp(tables->strings + name->vda_name, version) == 0)
            return true;
        if (definition->vd_next == 0)
            return false;
        definition = (const Elf64_Verdef *)((const char *)definition + definition->vd_next);
    }
    return false;
}

/* What the loader had loaded when this library was first asked: the whole program, for that is
 * before any constructor of the executable. child: constant */
static struct loaded {
    struct link_map *first, *ours, *last;
} loaded;
static _Atomic bool loaded_known;

static const Elf64_Dyn *dynamic_section(const Elf64_Phdr *segments, size_t count,
                                        uintptr_t *load_bias)
{
    const Elf64_Phdr *dynamic = NULL;
    for (size_t i = 0; i < count; i++) {
        if (segments[i].p_type == PT_PHDR)
            *load_bias = (uintptr_t)segments - segments[i].p_vaddr;
        if (segments[i].p_type == PT_DYNAMIC)
            dynamic = &segments[i];
    }
    return dynamic ? (const Elf64_Dyn *)(*load_bias + dynamic->p_vaddr) : NULL;
}

/* Debuggers find the loader's list through DT_DEBUG of the executable, as here. One that was
 * stripped of it leaves the loader's own symbol, which glibc exports. */
static const struct r_debug *find_list(void)
{
    uintptr_t bias = 0;
    const Elf64_Dyn *entry =
        dynamic_section((const Elf64_Phdr *)getauxval(AT_PHDR), getauxval(AT_PHNUM), &bias);
    for (; entry && entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_DEBUG && entry->d_un.d_ptr)
            return (const struct r_debug *)entry->d_un.d_ptr;
    bias = getauxval(AT_BASE);
    const Elf64_Ehdr *loader = (const Elf64_Ehdr *)bias;
    struct symbol_tables tables;
    if (!loader || !(entry = dynamic_section((const Elf64_Phdr *)(bias + loader->e_phoff),
                                             loader->e_phnum, &bias)))
        return NULL;
    return symbol_tables_read(&tables, bias, entry)
               ? (const struct r_debug *)symbol_tables_find(&tables, "_r_debug")
               : NULL;
}

/* Two threads that come first at once find the same. */
static const struct loaded *loaded_objects(void)
{
    if (atomic_load_explicit(&loaded_known, memory_order_acquire))
        return &loaded;
    const struct r_debug *list = find_list();
    struct loaded found = {list ? list->r_map : NULL, NULL, NULL};
    for (struct link_map *map = found.first; map; map = map->l_next) {
        if (map->l_ld == _DYNAMIC)
            found.ours = map;
        found.last = map;
    }
    loaded = found;
    atomic_store_explicit(&loaded_known, true, memory_order_release);
    return &loaded;
}

static void *find_in(const struct link_map *map, const char *name)
{
    struct symbol_tables tables;
    return symbol_tables_read(&tables, map->l_addr, map->l_ld) ? symbol_tables_find(&tables, name)
                                                               : NULL;
}

/* In the objects from `map` on, to the last that was there at start. */
static void *find_from(const struct loaded *all, const struct link_map *map, const char *name)
{
    for (void *found; map; map = map == all->last ? NULL : map->l_next)
        if (map != all->ours && (found = find_in(map, name)) != NULL)
            return found;
    return NULL;
}

void *symbol_next(const char *name)
{
    const struct loaded *all = loaded_objects();
    void *found =
        all->ours && all->ours != all->last ? find_from(all, all->ours->l_next, name) : NULL;
    return found ? found : find_from(all, all->first, name);
}

void *symbol_global(const char *name)
{
    const struct loaded *all = loaded_objects();
    return find_from(all, all->first, name);
}

static const char libc_name[] = "libc.so.6";

static bool is_file_of_libc(const struct link_map *map)
{
    if (!map->l_name)
        return false;
    size_t length = strlen(map->l_name);
    return length >= strlen(libc_name) &&
           memcmp(map->l_name + length - strlen(libc_name), libc_name, strlen(libc_name)) == 0;
}

/* `by_file`: only what lies in a file of that name is asked for its own, as libc nearly always
 * does: each start of a program pays for this. */
static bool find_libc(const struct loaded *all, bool by_file, struct symbol_tables *tables)
{
    for (const struct link_map *map = all->first; map; map = map == all->last ? NULL : map->l_next)
        if ((!by_file || is_file_of_libc(map)) &&
            symbol_tables_read(tables, map->l_addr, map->l_ld) && tables->name &&
            strcmp(tables->name, libc_name) == 0)
            return true;
    return false;
}

/* The first time in the constructor; child: constant */
static struct symbol_tables libc;
static _Atomic bool libc_is_known;

const struct symbol_tables *symbols_of_known_libc(void)
{
    if (atomic_load_explicit(&libc_is_known, memory_order_acquire))
        return &libc;
    const struct loaded *all = loaded_objects();
    struct symbol_tables tables;
    if ((!find_libc(all, true, &tables) && !find_libc(all, false, &tables)) ||
        !symbol_tables_define(&tables, "GLIBC_2.28"))
        return NULL;
    libc = tables;
    atomic_store_explicit(&libc_is_known, true, memory_order_release);
    return &libc;
}

uintptr_t symbol_tables_relro_end(const struct symbol_tables *tables, uintptr_t page_size)
{
    uintptr_t first = tables->load_bias;
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)first;
    if (!tables->gnu_hash || first % page_size != 0 ||
        (uintptr_t)tables->gnu_hash - first >= page_size ||
        memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_phoff >= page_size ||
        header->e_phnum * sizeof(Elf64_Phdr) > page_size - header->e_phoff)
        return 0;
    const Elf64_Phdr *segments = (const Elf64_Phdr *)(first + header->e_phoff);
    for (unsigned i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type == PT_GNU_RELRO)
            return (first + segments[i].p_vaddr + segments[i].p_memsz) & ~(page_size - 1);
    return 0;
}
