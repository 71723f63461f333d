// SPDX-License-Identifier: MIT
#include "explain/shell_line.h"

#include "base/text_buffer.h"
#include "base/utf8.h"
#include "explain/elf_symbols.h"
#include "explain/module_bases.h"
#include "kernel/process_name.h"
#include "kernel/source_line.h"

enum { SCRIPT_LIMIT = 512, LINE_LIMIT = 1 << 24 };

static bool read_number(const struct memory_reader *memory, const struct elf_symbols *symbols,
                        const char *name, int *value)
{
    uintptr_t address = elf_symbols_find(memory, symbols, name);
    return address != 0 && memory_read(memory, address, value, sizeof *value);
}

void shell_line_read(const struct memory_reader *memory, int pid, struct member *member)
{
    char script[SCRIPT_LIMIT];
    struct module_bases bases;
    struct elf_symbols symbols;
    struct text_buffer text;
    int line, sourced, in_function = 0;
    /* `line_number` itself is the parser's again while a command is waited for. */
    if (!process_script(pid, script, sizeof script) || !module_bases_read(pid, &bases) ||
        bases.executable == 0 || !elf_symbols_open(memory, bases.executable, &symbols) ||
        !read_number(memory, &symbols, "line_number_for_err_trap", &line) ||
        !read_number(memory, &symbols, "sourcelevel", &sourced) || sourced != 0 || line <= 0 ||
        line > LINE_LIMIT)
        return;
    read_number(memory, &symbols, "variable_context", &in_function);
    text_init(&text, member->where, sizeof member->where);
    text_printable(&text, script);
    text_format(&text, ":%d %s", line, in_function > 0 ? "<function>" : "main");
    source_line_read(pid, script, line, member->source);
}
