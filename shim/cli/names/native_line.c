// SPDX-License-Identifier: MIT
#include "cli/names/native_line.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/names/build_file.h"

enum { LARGEST_FILE = 256 << 20, BUILD_ID_TEXT = 2 * BUILD_ID_LIMIT + 1 };

/* The module that was looked at last; with a NULL `module`: it has no file here. */
static struct {
    char build_id[BUILD_ID_TEXT];
    Dwfl *dwfl;
    Dwfl_Module *module;
    GElf_Addr bias;
} opened;

static void write_build_id(const struct stack_frame_name *frame, char text[BUILD_ID_TEXT])
{
    text[0] = '\0';
    for (unsigned i = 0; i < frame->build_id_size && i < BUILD_ID_LIMIT; i++)
        snprintf(text + (size_t)2 * i, 3, "%02x", frame->build_id[i]);
}

static int open_file(int pid, const struct stack_frame_name *frame, const char *build_id)
{
    char path[MODULE_PATH_LIMIT + 32];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d/root%s", pid, frame->module);
    int fd = build_file_open(path, build_id, BUILD_FILE_DEBUG_PATH);
    if (fd >= 0 && (fstat(fd, &status) != 0 || status.st_size > LARGEST_FILE)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void open_module(const char *name, int fd)
{
    static char debug_directories[] = BUILD_FILE_DEBUG_PATH;
    static char *debug_path = debug_directories;
    static const Dwfl_Callbacks callbacks = {
        .find_elf = dwfl_build_id_find_elf,
        .find_debuginfo = dwfl_standard_find_debuginfo,
        .section_address = dwfl_offline_section_address,
        .debuginfo_path = &debug_path,
    };
    unsetenv("DEBUGINFOD_URLS"); /* libdwfl would ask the servers by itself */
    opened.dwfl = dwfl_begin(&callbacks);
    if (!opened.dwfl) {
        close(fd);
        return;
    }
    dwfl_report_begin(opened.dwfl);
    opened.module = dwfl_report_offline(opened.dwfl, name, name, fd); /* owns fd if it succeeds */
    dwfl_report_end(opened.dwfl, NULL, NULL);
    if (!opened.module)
        close(fd);
    else if (!dwfl_module_getelf(opened.module, &opened.bias))
        opened.module = NULL;
}

static Dwfl_Module *module_of(int pid, const struct stack_frame_name *frame)
{
    char build_id[BUILD_ID_TEXT];
    write_build_id(frame, build_id);
    if (build_id[0] == '\0' || frame->module[0] != '/')
        return NULL;
    if (strcmp(build_id, opened.build_id) == 0)
        return opened.module;
    if (opened.dwfl)
        dwfl_end(opened.dwfl);
    memset(&opened, 0, sizeof opened);
    memcpy(opened.build_id, build_id, sizeof build_id);
    int fd = open_file(pid, frame, build_id);
    if (fd >= 0)
        open_module(frame->module, fd);
    return opened.module;
}

/* Headers of the C++ library, and Rust's crates as rustc names them. */
static bool is_of_library(const char *file)
{
    return strncmp(file, "/usr/", 5) == 0 || strncmp(file, "/rustc/", 7) == 0 ||
           strstr(file, "/lib/rustlib/") != NULL || strstr(file, "/.cargo/registry/") != NULL;
}

static bool set_line(struct native_line *line, const char *directory, const char *file, int number)
{
    if (!file || number <= 0)
        return false;
    while (strncmp(file, "./", 2) == 0)
        file += 2;
    int length = file[0] == '/' || !directory
                     ? snprintf(line->file, sizeof line->file, "%s", file)
                     : snprintf(line->file, sizeof line->file, "%s/%s", directory, file);
    line->line = number;
    return length > 0 && (size_t)length < sizeof line->file;
}

static const char *call_file(Dwarf_Die *inlined, Dwarf_Die *unit)
{
    Dwarf_Attribute attribute;
    Dwarf_Files *files;
    Dwarf_Word number;
    size_t count;
    return dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &number) == 0 &&
                   dwarf_getsrcfiles(unit, &files, &count) == 0 && number < count
               ? dwarf_filesrc(files, number, NULL, NULL)
               : NULL;
}

/* Out of what was inlined, to the first line that is no library's. */
static void leave_library(Dwfl_Module *module, Dwarf_Addr address, const char *directory,
                          struct native_line *line)
{
    Dwarf_Addr bias;
    Dwarf_Die *scopes = NULL, *unit = dwfl_module_addrdie(module, address, &bias);
    int count = unit ? dwarf_getscopes(unit, address - bias, &scopes) : 0;
    for (int i = 0; i < count && is_of_library(line->file); i++) {
        Dwarf_Attribute attribute;
        Dwarf_Word number;
        if (dwarf_tag(&scopes[i]) != DW_TAG_inlined_subroutine ||
            dwarf_formudata(dwarf_attr(&scopes[i], DW_AT_call_line, &attribute), &number) != 0 ||
            number > INT32_MAX)
            continue;
        struct native_line outer;
        if (set_line(&outer, directory, call_file(&scopes[i], unit), (int)number))
            *line = outer;
    }
    free(scopes);
}

bool native_line_find(int pid, const struct stack_frame_name *frame, bool returns,
                      struct native_line *line)
{
    Dwfl_Module *module = module_of(pid, frame);
    if (!module || frame->offset == 0)
        return false;
    /* A return address may be the first of the next line, or of the next function. */
    Dwarf_Addr address = frame->offset + opened.bias - (returns ? 1 : 0);
    Dwfl_Line *found = dwfl_module_getsrc(module, address);
    int number = 0;
    const char *file = found ? dwfl_lineinfo(found, NULL, &number, NULL, NULL, NULL) : NULL;
    const char *directory = found ? dwfl_line_comp_dir(found) : NULL;
    if (!set_line(line, directory, file, number))
        return false;
    leave_library(module, address, directory, line);
    return true;
}
