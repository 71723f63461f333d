// SPDX-License-Identifier: MIT
// Symbols found in this process's own modules, without the loader's help, against the loader's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cmocka.h>

#include "explain/elf_symbols.h"
#include "explain/module_bases.h"

int main(void);

static struct memory_reader reader;
static struct module_bases bases;

static int read_bases(void **state)
{
    (void)state;
    reader = memory_reader_process(getpid());
    return module_bases_read(0, &bases) ? 0 : -1;
}

static void modules_are_where_the_loader_says(void **state)
{
    (void)state;
    Dl_info info;
    assert_int_not_equal(dladdr((void *)getpid, &info), 0);
    assert_int_equal(bases.libc, (uintptr_t)info.dli_fbase);
    assert_int_not_equal(dladdr((void *)main, &info), 0);
    assert_int_equal(bases.executable, (uintptr_t)info.dli_fbase);
    assert_false(bases.executable_is_python);
    assert_int_equal(bases.libpython_count, 0);
    struct module_bases same;
    assert_true(module_bases_read(getpid(), &same));
    assert_memory_equal(&same, &bases, sizeof same);
}

static void exported_symbols_are_found_by_gnu_hash(void **state)
{
    (void)state;
    struct elf_symbols symbols;
    assert_true(elf_symbols_open(&reader, bases.libc, &symbols));
    assert_int_not_equal(symbols.gnu_hash, 0);
    static const char *const names[] = {"getpid", "environ", "fopen", "stdout", "qsort"};
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    assert_non_null(libc);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        assert_ptr_equal((void *)elf_symbols_find(&reader, &symbols, names[i]),
                         dlsym(libc, names[i]));
    dlclose(libc);
    assert_int_equal(elf_symbols_find(&reader, &symbols, "getpi"), 0);
    assert_int_equal(elf_symbols_find(&reader, &symbols, "getpid_"), 0);
    assert_int_equal(elf_symbols_find(&reader, &symbols, ""), 0);
}

/* The kernel's vDSO has the old hash table; newer kernels' have both. */
static void exported_symbols_are_found_by_the_old_hash(void **state)
{
    (void)state;
    uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);
    struct elf_symbols symbols;
    if (vdso == 0 || !elf_symbols_open(&reader, vdso, &symbols) || symbols.hash == 0)
        skip();
    symbols.gnu_hash = 0;
#if defined(__x86_64__)
    static const char name[] = "__vdso_clock_gettime";
#else
    static const char name[] = "__kernel_clock_gettime";
#endif
    uintptr_t address = elf_symbols_find(&reader, &symbols, name);
    assert_true(address > vdso && address < vdso + (1 << 20));
    assert_int_equal(elf_symbols_find(&reader, &symbols, "clock_getti"), 0);
}

static void symbols_that_are_not_exported_are_found_in_the_file(void **state)
{
    (void)state;
    struct elf_symbols symbols;
    assert_true(elf_symbols_open(&reader, bases.executable, &symbols));
    assert_int_equal(elf_symbols_find(&reader, &symbols, "main"), 0);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    struct memory_reader file = memory_reader_file(fd);
    assert_int_equal(elf_file_symbol_find(&file, symbols.bias, "main"), (uintptr_t)main);
    assert_int_equal(elf_file_symbol_find(&file, symbols.bias, "no_such_symbol"), 0);
    close(fd);
}

static void what_is_no_module_is_refused(void **state)
{
    (void)state;
    static const char text[4096] = "\177ELX";
    struct elf_symbols symbols;
    assert_false(elf_symbols_open(&reader, (uintptr_t)text, &symbols));
    assert_false(elf_symbols_open(&reader, 8, &symbols));
    assert_false(module_bases_read(-1, &bases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modules_are_where_the_loader_says),
        cmocka_unit_test(exported_symbols_are_found_by_gnu_hash),
        cmocka_unit_test(exported_symbols_are_found_by_the_old_hash),
        cmocka_unit_test(symbols_that_are_not_exported_are_found_in_the_file),
        cmocka_unit_test(what_is_no_module_is_refused),
    };
    return cmocka_run_group_tests(tests, read_bases, NULL);
}
