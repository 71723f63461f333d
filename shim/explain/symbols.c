// SPDX-License-Identifier: MIT
#include "explain/symbols.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "explain/maps.h"
#include "explain/symbol_cache.h"
#include "explain/symbol_table.h"
#include "kernel/proc_reader.h"

/* Too large for the watchdog's stack; mapped for the time of one symbolize(). */
struct workspace {
    struct symbol_target targets[STACK_DEPTH_LIMIT]; /* of one module, sorted by address */
    uint16_t frame[STACK_DEPTH_LIMIT];               /* whose each target is */
    bool done[STACK_DEPTH_LIMIT];                    /* per frame */
    unsigned char buffer[SYMBOL_BUFFER_SIZE];
};

struct space {
    const struct modules *modules;
    const struct memory_reader *reader;
};

/* The address inside the frame's function: a call may be a function's last instruction, and then
 * the return address is another's. */
static uint64_t lookup_pc(const struct stack_trace *trace, size_t frame)
{
    return trace->pc[frame] - (trace->exact[frame] ? 0 : 1);
}

static int open_file(const char *path)
{
    /* Not a FIFO that stands there now: it would wait for its writer. */
    return (int)raw_syscall(SYS_openat, AT_FDCWD, path,
                            O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/* By the root of the process that has it mapped: in a container that path is another file here. */
static int open_module(int pid, const struct module *module, const char *path)
{
    char name[PROC_PATH_LIMIT + MODULE_PATH_LIMIT];
    int fd = -1;
    if (module->is_executable) { /* the link leads to it even when its file was deleted */
        proc_path(name, pid, 0, "exe");
        fd = open_file(name);
    }
    if (fd >= 0 || path[0] != '/')
        return fd;
    if (pid == 0)
        return open_file(path);
    struct text_buffer text;
    proc_path(name, pid, 0, "root");
    text_init(&text, name + strlen(name), sizeof name - strlen(name));
    text_string(&text, path);
    return open_file(name);
}

/* Whether the open file is what is mapped. The build-id says it; without one, the ELF header, which
 * holds the section headers' place, seldom survives a new build unchanged. */
static bool is_same_file(const struct memory_reader *file, const struct memory_reader *reader,
                         const struct module *module, const uint8_t *build_id, size_t size)
{
    Elf64_Ehdr in_file, in_memory;
    if (!memory_read(file, 0, &in_file, sizeof(in_file)) ||
        !memory_read(reader, module->map_start, &in_memory, sizeof(in_memory)) ||
        memcmp(&in_file, &in_memory, sizeof(in_file)) != 0)
        return false;
    uint8_t found[BUILD_ID_LIMIT];
    return size == 0 || in_file.e_shoff == 0 ||
           (symbol_file_build_id(file, found) == size && memcmp(found, build_id, size) == 0);
}

static void search(const struct symbol_table *table, struct workspace *work, size_t count)
{
    symbol_table_search(table, work->targets, count, work->buffer);
}

/* Searches the module's file; false if it could not be had, true with `*partial` if it is stripped.
 */
static bool search_module_file(const struct space *space, const struct module *module,
                               const struct stack_frame_name *name, struct workspace *work,
                               size_t count, bool *partial)
{
    const struct memory_reader *reader = space->reader;
    int fd = open_module(space->modules->pid, module, name->module);
    if (fd < 0)
        return false;
    struct memory_reader file = memory_reader_file(fd);
    struct symbol_table table;
    bool usable = is_same_file(&file, reader, module, name->build_id, name->build_id_size) &&
                  symbol_table_of_file(&file, &table);
    if (usable) {
        *partial = table.partial;
        search(&table, work, count);
    }
    raw_syscall(SYS_close, fd);
    return usable;
}

/* Searches the .symtab that Debian's -dbg packages and others install aside of a stripped file. */
static void search_debug_file(const struct stack_frame_name *name, struct workspace *work,
                              size_t count)
{
    static const char digits[] = "0123456789abcdef";
    char path[96];
    struct text_buffer text;
    if (name->build_id_size < 2)
        return;
    text_init(&text, path, sizeof(path));
    text_string(&text, "/usr/lib/debug/.build-id/");
    for (unsigned i = 0; i < name->build_id_size; i++) {
        text_char(&text, digits[name->build_id[i] >> 4]);
        text_char(&text, digits[name->build_id[i] & 15]);
        if (i == 0)
            text_char(&text, '/');
    }
    text_string(&text, ".debug");
    int fd = open_file(path);
    if (fd < 0)
        return;
    struct memory_reader file = memory_reader_file(fd);
    struct symbol_table table;
    uint8_t found[BUILD_ID_LIMIT];
    if (symbol_file_build_id(&file, found) == name->build_id_size &&
        memcmp(found, name->build_id, name->build_id_size) == 0 &&
        symbol_table_of_file(&file, &table) && !table.partial)
        search(&table, work, count);
    raw_syscall(SYS_close, fd);
}

/* False: its file could not be had. */
static bool search_module(const struct space *space, const struct module *module,
                          const struct stack_frame_name *name, struct workspace *work, size_t count)
{
    bool partial = true;
    bool searched = search_module_file(space, module, name, work, count, &partial);
    if (partial)
        search_debug_file(name, work, count);
    struct symbol_table table;
    if (!searched && symbol_table_of_module(space->reader, module, &table))
        search(&table, work, count);
    return searched;
}

/* Puts the frame's address into its place among the sorted targets. */
static void insert_target(struct workspace *work, size_t count, uint64_t address, size_t frame)
{
    size_t i = count;
    for (; i > 0 && work->targets[i - 1].address > address; i--) {
        work->targets[i].address = work->targets[i - 1].address;
        work->frame[i] = work->frame[i - 1];
    }
    work->targets[i].address = address;
    work->frame[i] = (uint16_t)frame;
}

/* Names all frames from `first` on that lie in `module`, which is that of `first`. */
static void name_frames(const struct stack_trace *trace, const struct space *space,
                        const struct module *module, struct stack_frame_name *names, size_t first,
                        size_t depth, struct workspace *work)
{
    struct stack_frame_name *model = &names[first];
    bool own = space->modules->pid == 0;
    module_path(space->reader, module, model->module, sizeof(model->module));
    model->build_id_size = (uint8_t)module_build_id(space->reader, module, model->build_id);

    size_t count = 0;
    for (size_t i = first; i < depth; i++) {
        uint64_t pc = lookup_pc(trace, i);
        if (pc < module->map_start || pc >= module->map_end || work->done[i])
            continue;
        work->done[i] = true;
        if (i != first) {
            memcpy(names[i].module, model->module, sizeof(model->module));
            memcpy(names[i].build_id, model->build_id, sizeof(model->build_id));
            names[i].build_id_size = model->build_id_size;
        }
        names[i].offset = trace->pc[i] - module->load_bias;
        if (!own || !symbol_cache_find(pc, &names[i]))
            insert_target(work, count++, pc - module->load_bias, i);
    }
    for (size_t i = 0; i < count; i++)
        work->targets[i].found = false;
    bool searched = count > 0 && search_module(space, module, model, work, count);
    for (size_t i = 0; i < count; i++) {
        struct stack_frame_name *name = &names[work->frame[i]];
        if (work->targets[i].found) {
            memcpy(name->symbol, work->targets[i].name, sizeof(name->symbol));
            name->symbol_offset = name->offset - work->targets[i].symbol.st_value;
        }
        if (own && searched)
            symbol_cache_keep(lookup_pc(trace, work->frame[i]), name);
    }
}

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t symbolize(const struct stack_trace *trace, const struct modules *modules,
                 const struct memory_reader *reader, struct stack_frame_name *names, size_t depth)
{
    depth = min(depth, min(trace->count, STACK_DEPTH_LIMIT));
    for (size_t i = 0; i < depth; i++) {
        memset(&names[i], 0, sizeof(names[i]));
        names[i].pc = trace->pc[i];
    }
    long mapped = raw_syscall(SYS_mmap, 0, sizeof(struct workspace), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped < 0 && mapped > -4096)
        return depth;
    struct workspace *work = (struct workspace *)mapped;
    const struct space space = {modules, reader};
    for (size_t i = 0; i < depth; i++) {
        struct module module;
        if (!work->done[i] && module_find(modules, reader, lookup_pc(trace, i), &module))
            name_frames(trace, &space, &module, names, i, depth, work);
    }
    raw_syscall(SYS_munmap, mapped, sizeof(struct workspace));
    return depth;
}
