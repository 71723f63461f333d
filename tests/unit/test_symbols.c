// SPDX-License-Identifier: MIT
/*
 * Names of functions: of static ones, of stripped, deleted, replaced and unloaded libraries, of the
 * vDSO, and from ELF files with random damage. The libraries are built here by the C compiler.
 */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "explain/mapped_file.h"
#include "explain/modules.h"
#include "explain/symbol_cache.h"
#include "explain/symbol_table.h"
#include "explain/symbols.h"
#include "left_out.h"

static struct memory_reader reader;
static char directory[] = "/tmp/pipeshim-symbols-XXXXXX";
static struct stack_trace trace;
static struct stack_frame_name names[STACK_DEPTH_LIMIT];

/* address_of() leads to the static function; `padding` tells one build from another. */
static const char source[] =
    "static __attribute__((noinline)) int hidden_function(int a) { return a * 7 + PADDING; }\n"
    "__attribute__((weak, alias(\"__visible_function\"))) int visible_function(int);\n"
    "int __visible_function(int a) { return hidden_function(a) + 1; }\n"
    "void *address_of(int which) {\n"
    "    return which ? (void *)__visible_function : (void *)hidden_function; }\n"
    "char other_name[PADDING];\n";

static void path_in(char *path, size_t size, const char *name)
{
    snprintf(path, size, "%s/%s", directory, name);
}

static void build_library(const char *name, const char *options)
{
    char path[256], command[1024];
    if (system("cc --version >/dev/null 2>&1") != 0)
        LEAVE_OUT("no compiler here");
    path_in(path, sizeof(path), "source.c");
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(source, file) >= 0);
    assert_int_equal(fclose(file), 0);
    snprintf(command, sizeof(command), "cc -shared -fPIC -O1 -Wl,--build-id %s -o %s/%s %s",
             options, directory, name, path);
    assert_int_equal(system(command), 0);
}

static void *load(const char *name, uintptr_t *hidden, uintptr_t *visible)
{
    char path[256];
    path_in(path, sizeof(path), name);
    void *library = dlopen(path, RTLD_NOW);
    assert_non_null(library);
    void *(*address_of)(int) = (void *(*)(int))dlsym(library, "address_of");
    assert_non_null(address_of);
    *hidden = (uintptr_t)address_of(0);
    *visible = (uintptr_t)address_of(1);
    return library;
}

static void name_two(uintptr_t first, uintptr_t second)
{
    trace = (struct stack_trace){.count = 2, .pc = {first + 3, second + 1}, .exact = {true, false}};
    assert_int_equal(symbolize(&trace, modules_own(), &reader, names, STACK_DEPTH_LIMIT), 2);
}

static uintptr_t base_of(uintptr_t address)
{
    Dl_info info;
    assert_true(dladdr((void *)address, &info) != 0);
    return (uintptr_t)info.dli_fbase;
}

static void test_static_function(void **state)
{
    (void)state;
    uintptr_t hidden, visible;
    build_library("full.so", "-DPADDING=1");
    void *library = load("full.so", &hidden, &visible);
    name_two(hidden, visible);
    assert_string_equal(names[0].symbol, "hidden_function");
    assert_int_equal(names[0].symbol_offset, 3);
    assert_int_equal(names[0].offset, hidden + 3 - base_of(hidden));
    /* a weak alias without underscores is what the program calls */
    assert_string_equal(names[1].symbol, "visible_function");
    assert_int_equal(names[1].symbol_offset, 1);
    assert_int_equal(names[1].pc, visible + 1);
    assert_non_null(strstr(names[0].module, "/full.so"));
    assert_string_equal(names[1].module, names[0].module);
    assert_int_equal(names[0].build_id_size, 20);
    assert_memory_equal(names[0].build_id, names[1].build_id, 20);

    struct module module;
    assert_true(module_find(modules_own(), &reader, hidden, &module));
    assert_true(module_has_code_at(&reader, &module, hidden));
    assert_false(module_has_code_at(&reader, &module, module.map_start));
    dlclose(library);
}

/* A return address that is already the next function's belongs to the one that called. */
static void test_return_address_at_end(void **state)
{
    (void)state;
    uintptr_t hidden, visible;
    char path[256];
    path_in(path, sizeof(path), "full.so");
    if (access(path, R_OK) != 0)
        LEAVE_OUT("no compiler made the file");
    void *library = load("full.so", &hidden, &visible);
    Dl_info info;
    Elf64_Sym *symbol;
    assert_true(dladdr1((void *)visible, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0);
    name_two(hidden, visible + symbol->st_size - 1);
    assert_string_equal(names[1].symbol, "visible_function");
    assert_int_equal(names[1].symbol_offset, symbol->st_size);
    dlclose(library);
}

static void assert_exported_only(void)
{
    assert_string_equal(names[0].symbol, "");
    assert_string_equal(names[1].symbol, "visible_function");
    assert_int_equal(names[0].build_id_size, 20);
    assert_true(names[0].offset != 0);
}

static void test_stripped(void **state)
{
    (void)state;
    uintptr_t hidden, visible;
    build_library("stripped.so", "-DPADDING=2 -s");
    void *library = load("stripped.so", &hidden, &visible);
    name_two(hidden, visible);
    assert_exported_only();
    dlclose(library);
}

static void test_deleted(void **state)
{
    (void)state;
    uintptr_t hidden, visible;
    char path[256];
    build_library("deleted.so", "-DPADDING=3");
    void *library = load("deleted.so", &hidden, &visible);
    path_in(path, sizeof(path), "deleted.so");
    assert_int_equal(unlink(path), 0);
    name_two(hidden, visible);
    assert_exported_only();
    dlclose(library);
}

static void test_replaced(void **state)
{
    (void)state;
    uintptr_t hidden, visible;
    char from[256], to[256];
    build_library("replaced.so", "-DPADDING=4");
    void *library = load("replaced.so", &hidden, &visible);
    /* The same layout, but another function there: only the build-id tells. */
    build_library("upgrade.so", "-DPADDING=5 -Dhidden_function=otherxx_function");
    path_in(from, sizeof(from), "upgrade.so");
    path_in(to, sizeof(to), "replaced.so");
    assert_int_equal(rename(from, to), 0);
    name_two(hidden, visible);
    assert_exported_only();

    assert_int_equal(unlink(to), 0);
    assert_int_equal(mkfifo(to, 0600), 0); /* nobody will ever write to it */
    name_two(hidden, visible);
    assert_exported_only();
    dlclose(library);
}

static void test_unloaded(void **state)
{
    (void)state;
    uintptr_t hidden, visible;
    build_library("unloaded.so", "-DPADDING=6");
    void *library = load("unloaded.so", &hidden, &visible);
    struct module module;
    char path[MODULE_PATH_LIMIT];
    uint8_t build_id[BUILD_ID_LIMIT];
    struct symbol_table table;
    assert_true(module_find(modules_own(), &reader, hidden, &module));
    assert_int_equal(module_build_id(&reader, &module, build_id), 20);
    assert_int_equal(dlclose(library), 0);
    /* What was found a moment ago is gone now. */
    assert_int_equal(module_build_id(&reader, &module, build_id), 0);
    assert_false(symbol_table_of_module(&reader, &module, &table));
    module_path(&reader, &module, path, sizeof(path));
    name_two(hidden, visible);
    assert_string_equal(names[0].module, "");
    assert_string_equal(names[1].symbol, "");
}

static void test_vdso(void **state)
{
    (void)state;
    uintptr_t base = getauxval(AT_SYSINFO_EHDR);
    if (base == 0)
        LEAVE_OUT("no vDSO here");
    void *vdso = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);
    if (vdso == NULL)
        LEAVE_OUT("the vDSO is not known to the loader");
    uintptr_t function = (uintptr_t)dlsym(vdso, "__vdso_getcpu");
    if (function == 0) /* aarch64; its __kernel_rt_sigreturn is no function to ELF */
        function = (uintptr_t)dlsym(vdso, "__kernel_clock_gettime");
    assert_true(function != 0);
    name_two(function, function);
    assert_string_equal(names[0].module, "[vdso]");
    assert_true(strcmp(names[0].symbol, "getcpu") == 0 ||
                strcmp(names[0].symbol, "__vdso_getcpu") == 0 ||
                strcmp(names[0].symbol, "__kernel_clock_gettime") == 0);
    assert_int_equal(names[0].offset, function + 3 - base);
}

/* The way without _dl_find_object finds the same extent and file. */
static void test_mapped_file(void **state)
{
    (void)state;
    uintptr_t addresses[] = {(uintptr_t)&test_mapped_file, (uintptr_t)&memcpy, (uintptr_t)dlopen};
    for (size_t i = 0; i < 3; i++) {
        struct mapped_file file;
        struct module module;
        char path[MODULE_PATH_LIMIT], resolved[4096], other[4096];
        assert_true(mapped_file_find(0, addresses[i], &file));
        assert_true(module_find(modules_own(), &reader, addresses[i], &module));
        module_path(&reader, &module, path, sizeof(path));
        assert_int_equal(file.start, module.map_start);
        assert_true(file.end > addresses[i] && file.end <= module.map_end + 4096);
        assert_non_null(realpath(path, resolved));
        assert_non_null(realpath(file.path, other));
        assert_string_equal(other, resolved);
    }
    struct mapped_file none;
    assert_false(mapped_file_find(0, 8, &none));
}

static void test_damaged_file(void **state)
{
    (void)state;
    char path[256];
    path_in(path, sizeof(path), "full.so");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        LEAVE_OUT("no compiler made the file");
    assert_true(fd >= 0);
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    size_t size = (size_t)status.st_size;
    unsigned char *whole = malloc(size), *damaged = malloc(size);
    assert_int_equal(read(fd, whole, size), size);
    close(fd);
    static unsigned char buffer[SYMBOL_BUFFER_SIZE];
    unsigned readable = 0, refused = 0;
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)whole;
    srandom(1);
    for (unsigned round = 0; round < 20000; round++) {
        memcpy(damaged, whole, size);
        for (unsigned i = 0; i < 1 + round % 8; i++) {
            /* Half of the damage goes where it hurts: the ELF header and the section headers. */
            size_t at = (size_t)random() % size;
            if (random() % 2 == 0)
                at = (size_t)random() % 64;
            else if (random() % 2 == 0)
                at = header->e_shoff + (size_t)random() % (size - header->e_shoff);
            damaged[at] = (unsigned char)random();
        }
        size_t cut = random() % 8 == 0 ? (size_t)random() % size : size;
        struct memory_reader image = memory_reader_image(damaged, 0, cut);
        struct symbol_target targets[3] = {
            {.address = 0x1000}, {.address = 0x1105}, {.address = UINT64_MAX}};
        struct symbol_table table;
        uint8_t build_id[BUILD_ID_LIMIT];
        size_t id_size = symbol_file_build_id(&image, build_id);
        assert_in_range(id_size, 0, BUILD_ID_LIMIT);
        if (!symbol_table_of_file(&image, &table)) {
            refused++;
            continue;
        }
        readable++;
        symbol_table_search(&table, targets, 3, buffer);
        for (unsigned i = 0; i < 3; i++)
            assert_true(strnlen(targets[i].name, SYMBOL_NAME_LIMIT) < SYMBOL_NAME_LIMIT);
    }
    free(whole);
    free(damaged);
    assert_true(readable > 1000);
    assert_true(refused > 1000);
}

static int set_up(void **state)
{
    (void)state;
    reader = memory_reader_process(getpid());
    modules_init();
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -r %s", directory);
    return system(command);
}

static void test_names_that_were_found_before(void **state)
{
    (void)state;
    enum { BIAS = 0x10000, ADDRESS = 0x12345 };
    struct stack_frame_name kept = {
        .pc = ADDRESS + 1, .offset = ADDRESS + 1 - BIAS, .build_id = {1, 2}, .build_id_size = 2};
    struct stack_frame_name asked = kept;
    assert_false(symbol_cache_find(ADDRESS, &asked));
    strcpy(kept.symbol, "named");
    kept.symbol_offset = 5;
    symbol_cache_keep(ADDRESS, &kept);
    assert_true(symbol_cache_find(ADDRESS, &asked));
    assert_string_equal(asked.symbol, "named");
    assert_int_equal(asked.symbol_offset, 5);
    /* The same instruction, as one that was interrupted. */
    asked = (struct stack_frame_name){
        .pc = ADDRESS, .offset = ADDRESS - BIAS, .build_id = {1, 2}, .build_id_size = 2};
    assert_true(symbol_cache_find(ADDRESS, &asked));
    assert_int_equal(asked.symbol_offset, 4);
    assert_false(symbol_cache_find(ADDRESS - 1, &asked));
    asked.build_id[1] = 3; /* another library in its place */
    assert_false(symbol_cache_find(ADDRESS, &asked));
    asked.build_id[1] = 2;
    asked.offset--; /* the same one elsewhere */
    assert_false(symbol_cache_find(ADDRESS, &asked));
    kept.symbol[0] = '\0';
    kept.symbol_offset = 0;
    symbol_cache_keep(ADDRESS, &kept);
    asked = kept;
    strcpy(asked.symbol, "old");
    assert_true(symbol_cache_find(ADDRESS, &asked));
    assert_string_equal(asked.symbol, ""); /* it is known that it has none */
    memset(kept.symbol, 'x', sizeof kept.symbol - 1);
    symbol_cache_keep(ADDRESS + 64, &kept); /* too long to be kept */
    assert_false(symbol_cache_find(ADDRESS + 64, &asked));
    kept.symbol[1] = '\0';
    kept.build_id_size = 0; /* not to be known again */
    symbol_cache_keep(ADDRESS + 64, &kept);
    assert_false(symbol_cache_find(ADDRESS + 64, &kept));
}

int main(void)
{
    alarm(120); /* an open of the FIFO must not hang the test for ever */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_that_were_found_before),
        cmocka_unit_test(test_static_function),
        cmocka_unit_test(test_return_address_at_end),
        cmocka_unit_test(test_stripped),
        cmocka_unit_test(test_deleted),
        cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_unloaded),
        cmocka_unit_test(test_vdso),
        cmocka_unit_test(test_mapped_file),
        cmocka_unit_test(test_damaged_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
