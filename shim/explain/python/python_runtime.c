// SPDX-License-Identifier: MIT
#include "explain/python/python_runtime.h"

#include <fcntl.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "explain/elf_symbols.h"
#include "explain/module_bases.h"
#include "explain/python/debug_offsets.h"
#include "explain/python/offsets_table.h"
#include "kernel/proc_reader.h"

enum {
    RELEASE_CANDIDATE = 0xC, /* the level of PY_VERSION_HEX; a later one is 0xF, final */
/* offsetof(struct pthread, tid) of every glibc since 2.4: the TCB header, a list node, tid. */
#if defined(__x86_64__)
    PTHREAD_TID_OFFSET = 0x2d0,
#else
    PTHREAD_TID_OFFSET = 0xd0,
#endif
    PTHREAD_OFFSET_LIMIT = 4096,
};

/* The modules that are searched for a symbol, in the loader's order: when the executable has a
 * copy relocation of a libpython variable, its copy is the one in use. */
struct search {
    const struct memory_reader *reader;
    struct elf_symbols modules[1 + LIBPYTHON_LIMIT];
    unsigned count;
    int executable_fd; /* of an executable that exports no symbols, else -1 */
    uintptr_t executable_bias;
};

static uintptr_t find_symbol(const struct search *search, const char *name)
{
    for (unsigned i = 0; i < search->count; i++) {
        uintptr_t address = elf_symbols_find(search->reader, &search->modules[i], name);
        if (address != 0)
            return address;
    }
    if (search->executable_fd < 0)
        return 0;
    struct memory_reader file = memory_reader_file(search->executable_fd);
    return elf_file_symbol_find(&file, search->executable_bias, name);
}

static void add_module(struct search *search, uintptr_t base)
{
    if (base != 0 && elf_symbols_open(search->reader, base, &search->modules[search->count]))
        search->count++;
}

static void open_search(struct search *search, const struct memory_reader *reader, int pid,
                        const struct module_bases *bases)
{
    search->reader = reader;
    search->count = 0;
    search->executable_fd = -1;
    add_module(search, bases->executable);
    search->executable_bias = search->count == 1 ? search->modules[0].bias : 0;
    for (unsigned i = 0; i < bases->libpython_count; i++)
        add_module(search, bases->libpython[i]);
    if (bases->executable_is_python && find_symbol(search, "_PyRuntime") == 0) {
        char path[PROC_PATH_LIMIT];
        proc_path(path, pid, 0, "exe");
        search->executable_fd =
            (int)raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    }
}

static void close_search(struct search *search)
{
    if (search->executable_fd >= 0)
        raw_syscall(SYS_close, search->executable_fd);
}

/* 3.11 and later export their version. Before, each release added functions to the public API, and
 * none of these was ever removed: the newest one that is there tells the release. */
static unsigned find_version(const struct search *search)
{
    uintptr_t address = find_symbol(search, "Py_Version");
    unsigned long version;
    if (address != 0)
        return memory_read(search->reader, address, &version, sizeof version) ? (unsigned)version
                                                                              : 0;
    static const struct {
        const char *function;
        unsigned minor;
    } added[] = {
        {"PyIter_Send", 10},
        {"PyFrame_GetCode", 9},
        {"PyCode_NewWithPosOnlyArgs", 8},
    };
    for (unsigned i = 0; i < sizeof added / sizeof *added; i++)
        if (find_symbol(search, added[i].function) != 0)
            return 0x03000000 | added[i].minor << 16;
    return 0;
}

/* glibc tells debuggers where struct pthread has its tid: { bits, count, offset }, exported for
 * libthread_db. */
static uint32_t find_pthread_tid_offset(const struct memory_reader *reader, uintptr_t libc)
{
    struct elf_symbols symbols;
    uint32_t description[3];
    if (libc != 0 && elf_symbols_open(reader, libc, &symbols)) {
        uintptr_t address = elf_symbols_find(reader, &symbols, "_thread_db_pthread_tid");
        if (address != 0 && memory_read(reader, address, description, sizeof description) &&
            description[0] == 32 && description[2] < PTHREAD_OFFSET_LIMIT)
            return description[2];
    }
    return PTHREAD_TID_OFFSET;
}

static enum python_support choose_published(const struct memory_reader *reader,
                                            struct python_runtime *runtime)
{
    struct debug_offsets debug;
    if (!debug_offsets_read(reader, runtime->runtime, &debug))
        return PYTHON_UNREADABLE;
    if (debug.free_threaded)
        return PYTHON_FREE_THREADED;
    if (!debug.usable || debug.version != runtime->version)
        return PYTHON_UNREADABLE;
    runtime->offsets = debug.offsets;
    return PYTHON_SUPPORTED;
}

static enum python_support find_offsets(const struct memory_reader *reader,
                                        struct python_runtime *runtime)
{
    unsigned minor = runtime->version >> 16 & 0xff, level = runtime->version >> 4 & 0xf;
    /* Structures still change between alphas and betas. */
    bool published_version = (runtime->version & 0xffff) != 0;
    if (runtime->version >> 24 != 3 || (published_version && level < RELEASE_CANDIDATE) ||
        minor > DEBUG_OFFSETS_LAST_MINOR)
        return PYTHON_UNKNOWN;
    if (minor >= DEBUG_OFFSETS_FIRST_MINOR)
        return choose_published(reader, runtime);
    for (unsigned i = 0; i < sizeof python_offsets_table / sizeof *python_offsets_table; i++)
        if (python_offsets_table[i].minor == minor) {
            runtime->offsets = python_offsets_table[i];
            return PYTHON_SUPPORTED;
        }
    return PYTHON_UNKNOWN;
}

bool python_runtime_choose_offsets(const struct memory_reader *reader,
                                   struct python_runtime *runtime)
{
    runtime->support = runtime->code_type == 0 ? PYTHON_UNREADABLE : find_offsets(reader, runtime);
    return runtime->support == PYTHON_SUPPORTED;
}

bool python_runtime_find(const struct memory_reader *reader, int pid,
                         struct python_runtime *runtime)
{
    memset(runtime, 0, sizeof *runtime);
    runtime->support = PYTHON_ABSENT;
    struct module_bases bases;
    if (!module_bases_read(pid, &bases))
        return false;
    struct search search;
    open_search(&search, reader, pid, &bases);
    runtime->runtime = find_symbol(&search, "_PyRuntime");
    if (runtime->runtime != 0) {
        runtime->code_type = find_symbol(&search, "PyCode_Type");
        runtime->version = find_version(&search);
        runtime->pthread_tid_offset = find_pthread_tid_offset(reader, bases.libc);
        python_runtime_choose_offsets(reader, runtime);
    }
    close_search(&search);
    return runtime->support == PYTHON_SUPPORTED;
}

static void describe_version(struct text_buffer *text, unsigned version)
{
    text_unsigned(text, version >> 24);
    text_char(text, '.');
    text_unsigned(text, version >> 16 & 0xff);
    if ((version & 0xffff) != 0) {
        text_char(text, '.');
        text_unsigned(text, version >> 8 & 0xff);
        unsigned level = version >> 4 & 0xf;
        if (level != 0xf) {
            text_string(text, level == 0xa ? "a" : level == 0xb ? "b" : "rc");
            text_unsigned(text, version & 0xf);
        }
    }
}

void python_runtime_describe(const struct python_runtime *runtime, char *to, size_t capacity)
{
    static const char suffix[][32] = {
        [PYTHON_SUPPORTED] = "",
        [PYTHON_UNKNOWN] = " unknown, C stack only",
        [PYTHON_FREE_THREADED] = " free-threaded, C stack only",
        [PYTHON_UNREADABLE] = " unreadable, C stack only",
    };
    struct text_buffer text;
    text_init(&text, to, capacity);
    if (runtime->support == PYTHON_ABSENT)
        return;
    text_string(&text, "python: ");
    if (runtime->version == 0)
        text_string(&text, "older than 3.8");
    else
        describe_version(&text, runtime->version);
    text_string(&text, suffix[runtime->support]);
}
