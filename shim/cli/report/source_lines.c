// SPDX-License-Identifier: MIT
#include "cli/report/source_lines.h"

#include <dlfcn.h>
#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "cli/names/build_file.h"

/* libdebuginfod is loaded when it is asked for, and only then: elfutils does the same. */
static int open_from_server(const char *build_id)
{
    static void *library;
    /* A static tool must not load what was made for the system's own libc. */
    bool is_static = getauxval(AT_BASE) == 0;
    if (!library && !is_static)
        library = dlopen("libdebuginfod.so.1", RTLD_NOW);
    if (!library)
        return -1;
    void *(*begin)(void) = (void *(*)(void))dlsym(library, "debuginfod_begin");
    int (*find)(void *, const unsigned char *, int, char **) =
        (int (*)(void *, const unsigned char *, int, char **))dlsym(library,
                                                                    "debuginfod_find_debuginfo");
    void (*end)(void *) = (void (*)(void *))dlsym(library, "debuginfod_end");
    void *client = begin && find && end ? begin() : NULL;
    if (!client)
        return -1;
    /* Length 0: the build-id is a hexadecimal string. */
    int fd = find(client, (const unsigned char *)build_id, 0, NULL);
    end(client);
    return fd;
}

/* The file of that very build: the module itself, its debug file, or a server's. -1: none. */
static int open_module(const char *path, const char *build_id,
                       const struct source_lines_options *options)
{
    int fd = build_file_open(path, build_id, options->debug_path);
    if (fd < 0 && options->debuginfod)
        fd = open_from_server(build_id);
    return fd;
}

/* A path as the compiler recorded it may be long; its end tells most. */
static string_id intern_source(struct model *model, const char *path)
{
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    return string_intern(&model->strings, path, strlen(path));
}

static bool resolve_frame(struct model *model, struct frame *frame, Dwfl_Module *module,
                          Dwarf_Addr bias)
{
    /* A return address may be the first of the next line, or of the next function. */
    Dwarf_Addr address = frame->offset + bias - (frame->exact || frame->offset == 0 ? 0 : 1);
    if (frame->function == 0) {
        const char *name = dwfl_module_addrname(module, address);
        if (name)
            frame->function = string_intern(&model->strings, name, strlen(name));
    }
    Dwfl_Line *line = dwfl_module_getsrc(module, address);
    int number = 0;
    const char *file = line ? dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;
    if (!file || number <= 0)
        return false;
    frame->source = intern_source(model, file);
    frame->line = (uint32_t)number;
    return true;
}

static int by_module(const void *left, const void *right, void *context)
{
    const struct model *model = context;
    const struct frame *a = &model->frames[*(const uint32_t *)left];
    const struct frame *b = &model->frames[*(const uint32_t *)right];
    if (a->build_id != b->build_id)
        return a->build_id < b->build_id ? -1 : 1;
    return (a->module > b->module) - (a->module < b->module);
}

/* Resolves frames[0..count), which are all of one build. */
static bool resolve_module(struct model *model, const uint32_t *frames, uint32_t count,
                           const struct source_lines_options *options,
                           struct source_lines_count *total)
{
    const char *path = model_text(model, model->frames[frames[0]].module);
    int fd = open_module(path, model_text(model, model->frames[frames[0]].build_id), options);
    if (fd < 0)
        return false;
    char *debug_path = strdup(options->debug_path);
    const Dwfl_Callbacks callbacks = {
        .find_elf = dwfl_build_id_find_elf,
        .find_debuginfo = dwfl_standard_find_debuginfo,
        .section_address = dwfl_offline_section_address,
        .debuginfo_path = &debug_path,
    };
    Dwfl *dwfl = debug_path ? dwfl_begin(&callbacks) : NULL;
    Dwfl_Module *module = NULL;
    if (dwfl) {
        dwfl_report_begin(dwfl);
        module = dwfl_report_offline(dwfl, path, path, fd); /* owns fd if it succeeds */
        dwfl_report_end(dwfl, NULL, NULL);
    }
    GElf_Addr bias = 0;
    if (!module)
        close(fd);
    else if (!dwfl_module_getelf(module, &bias))
        module = NULL;
    for (uint32_t i = 0; module && i < count; i++)
        total->frames += resolve_frame(model, &model->frames[frames[i]], module, bias);
    if (dwfl)
        dwfl_end(dwfl);
    free(debug_path);
    return module != NULL;
}

struct source_lines_count source_lines_resolve(struct model *model,
                                               const struct source_lines_options *given)
{
    struct source_lines_count total = {0};
    struct source_lines_options options = *given;
    if (!options.debug_path)
        options.debug_path = BUILD_FILE_DEBUG_PATH;
    if (!options.debuginfod)
        unsetenv("DEBUGINFOD_URLS"); /* libdwfl would ask the servers by itself */
    elf_version(EV_CURRENT);
    uint32_t *order = malloc((model->frame_count + 1) * sizeof *order);
    uint32_t count = 0;
    for (uint32_t i = 0; order && i < model->frame_count; i++)
        if (!model->frames[i].interpreted && model->frames[i].build_id != 0)
            order[count++] = i;
    if (order)
        qsort_r(order, count, sizeof *order, by_module, model);
    for (uint32_t start = 0, end; start < count; start = end) {
        for (end = start + 1; end < count && by_module(&order[start], &order[end], model) == 0;)
            end++;
        total.modules++;
        total.found += resolve_module(model, order + start, end - start, &options, &total);
    }
    free(order);
    return total;
}
