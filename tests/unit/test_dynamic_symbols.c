// SPDX-License-Identifier: MIT
/*
 * Exported symbols, found without dlsym(3): the same addresses as dlsym's, for every name of libc
 * and of libraries with either kind of hash table, several versions and indirect functions.
 */
#include <dlfcn.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/dynamic_symbols.h"
#include "base/newer_libc.h"
#include "left_out.h"

static char directory[] = "/tmp/pipeshim-dynamic-XXXXXX";

static int make_directory(void **state)
{
    (void)state;
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

static void want_compiler(void)
{
    if (system("cc --version >/dev/null 2>&1") != 0)
        LEAVE_OUT("no compiler here");
}

static void *build_and_load(const char *name, const char *source, const char *options)
{
    char command[1024], path[256];
    snprintf(path, sizeof path, "%s/%s.c", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(source, file);
    fclose(file);
    snprintf(command, sizeof command, "cc -shared -fPIC %s -o %s/%s.so %s", options, directory,
             name, path);
    assert_int_equal(system(command), 0);
    snprintf(path, sizeof path, "%s/%s.so", directory, name);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    return library;
}

static void read_tables(void *library, struct symbol_tables *tables)
{
    struct link_map *map;
    assert_int_equal(dlinfo(library, RTLD_DI_LINKMAP, &map), 0);
    assert_true(symbol_tables_read(tables, map->l_addr, map->l_ld));
}

/* The number of symbols: what lies between the symbols and the strings, in files of every linker
 * in use. */
static size_t symbol_count(const struct symbol_tables *tables)
{
    return ((uintptr_t)tables->strings - (uintptr_t)tables->symbols) / sizeof(Elf64_Sym);
}

/* Every defined name of the library; returns how many. */
static unsigned compare_all(void *library)
{
    unsigned compared = 0, indirect = 0;
    struct symbol_tables tables;
    read_tables(library, &tables);
    for (size_t i = 1; i < symbol_count(&tables); i++) {
        const Elf64_Sym *symbol = &tables.symbols[i];
        const char *name = tables.strings + symbol->st_name;
        if (symbol->st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol->st_info) == STT_TLS)
            continue;
        void *expected = dlsym(library, name);
        void *found = symbol_tables_find(&tables, name);
        if (found != expected)
            fail_msg("%s: found %p, dlsym says %p", name, found, expected);
        compared++;
        indirect += ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC;
    }
    print_message("%u names, %u indirect\n", compared, indirect);
    return compared;
}

static void test_every_name_of_libc(void **state)
{
    (void)state;
    void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    assert_non_null(libc);
    assert_in_range(compare_all(libc), 2000, 10000);
}

static const char functions[] = "int first(void) { return 1; }\n"
                                "int second(void) { return 2; }\n"
                                "int third(void) { return 3; }\n"
                                "int data = 4;\n";

static void test_either_hash_table(void **state)
{
    (void)state;
    want_compiler();
    const char *const styles[] = {"gnu", "sysv", "both"};
    for (size_t i = 0; i < 3; i++) {
        char options[64];
        struct symbol_tables tables;
        snprintf(options, sizeof options, "-nostdlib -Wl,--hash-style=%s", styles[i]);
        void *library = build_and_load(styles[i], functions, options);
        read_tables(library, &tables);
        assert_int_equal(tables.gnu_hash != NULL, i != 1);
        assert_int_equal(tables.sysv_hash != NULL, i != 0);
        assert_in_range(compare_all(library), 4, 20);
        assert_null(symbol_tables_find(&tables, "fourth"));
        assert_null(symbol_tables_find(&tables, ""));
    }
}

/* As dlsym: the default version, neither the first nor the last one of the file. */
static void test_default_version(void **state)
{
    (void)state;
    want_compiler();
    char options[512], path[256];
    snprintf(path, sizeof path, "%s/versions.map", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("V1 { global: f; local: *; };\nV2 { global: f; } V1;\nV3 { global: f; } V2;\n", file);
    fclose(file);
    snprintf(options, sizeof options, "-nostdlib -Wl,--version-script=%s", path);
    void *library = build_and_load("versions",
                                   "int f1(void) { return 1; }\nint f2(void) { return 2; }\n"
                                   "int f3(void) { return 3; }\n"
                                   "__asm__(\".symver f1, f@V1\\n.symver f2, f@@V2\\n"
                                   ".symver f3, f@V3\");\n",
                                   options);
    struct symbol_tables tables;
    read_tables(library, &tables);
    int (*f)(void) = (int (*)(void))symbol_tables_find(&tables, "f");
    assert_non_null(f);
    assert_int_equal(f(), 2);
    assert_true(symbol_tables_define(&tables, "V3"));
    assert_false(symbol_tables_define(&tables, "V4"));
}

static void test_next_and_global(void **state)
{
    (void)state;
    const char *const names[] = {"write", "fclose", "environ", "_IO_file_jumps", "quick_exit"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_non_null(symbol_next(names[i]));
        assert_ptr_equal(symbol_next(names[i]), dlsym(RTLD_NEXT, names[i]));
    }
    assert_null(symbol_next("pipeshim_no_such_name"));
    assert_null(symbol_global("pipeshim_no_such_name"));
    assert_non_null(symbols_of_known_libc());
}

static void test_newer_libc(void **state)
{
    (void)state;
    assert_false(is_single_threaded());
    newer_libc_find();
    const char *exported = (const char *)dlsym(RTLD_DEFAULT, "__libc_single_threaded");
    if (exported)
        assert_int_equal(is_single_threaded(), *exported != 0);
    cancellation_point();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_name_of_libc), cmocka_unit_test(test_either_hash_table),
        cmocka_unit_test(test_default_version),    cmocka_unit_test(test_next_and_global),
        cmocka_unit_test(test_newer_libc),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
