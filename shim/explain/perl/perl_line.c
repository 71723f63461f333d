// SPDX-License-Identifier: MIT
#include "explain/perl/perl_line.h"

#include "base/text_buffer.h"
#include "base/utf8.h"
#include "explain/elf_symbols.h"
#include "explain/module_bases.h"
#include "explain/perl/perl_walk.h"
#include "kernel/source_line.h"

enum { REVISION = 5 };

/* Debian's perl has all in its executable, Fedora's in libperl.so. */
struct perl_modules {
    const struct memory_reader *memory;
    struct elf_symbols modules[2];
    unsigned count;
};

static void add_module(struct perl_modules *perl, uintptr_t base)
{
    if (base != 0 && elf_symbols_open(perl->memory, base, &perl->modules[perl->count]))
        perl->count++;
}

static uintptr_t find(const struct perl_modules *perl, const char *name)
{
    for (unsigned i = 0; i < perl->count; i++) {
        uintptr_t address = elf_symbols_find(perl->memory, &perl->modules[i], name);
        if (address != 0)
            return address;
    }
    return 0;
}

static bool read_at(const struct perl_modules *perl, const char *name, void *to, size_t size)
{
    uintptr_t address = find(perl, name);
    return address != 0 && memory_read(perl->memory, address, to, size);
}

static bool find_runtime(const struct perl_modules *perl, struct perl_runtime *runtime)
{
    unsigned char revision, version;
    uint64_t interpreter;
    /* Without threads there is no PL_thr_key, and statements hold other things. */
    if (!read_at(perl, "PL_revision", &revision, sizeof revision) || revision != REVISION ||
        !read_at(perl, "PL_version", &version, sizeof version) ||
        (runtime->layout = perl_layout_find(version)) == NULL || find(perl, "PL_thr_key") == 0 ||
        !read_at(perl, "PL_curinterp", &interpreter, sizeof interpreter))
        return false;
    runtime->interpreter = (uintptr_t)interpreter;
    runtime->functions = find(perl, "PL_ppaddr");
    runtime->names = find(perl, "PL_op_name");
    return interpreter != 0 && runtime->functions != 0 && runtime->names != 0;
}

void perl_line_read(const struct memory_reader *memory, int pid, int tid, struct member *member)
{
    struct module_bases bases;
    struct perl_modules perl = {.memory = memory};
    struct perl_runtime runtime;
    struct perl_place place;
    struct text_buffer text;
    if (tid != pid || !module_bases_read(pid, &bases))
        return;
    add_module(&perl, bases.executable);
    add_module(&perl, bases.libperl);
    if (!find_runtime(&perl, &runtime) || !perl_walk(memory, &runtime, &place))
        return;
    text_init(&text, member->where, sizeof member->where);
    text_printable(&text, place.file);
    text_format(&text, ":%d ", place.line);
    text_printable(&text, place.function);
    if (place.file[0] != '-' && place.file[0] != '(') /* of -e and of eval there is no file */
        source_line_read(pid, place.file, place.line, member->source);
}
