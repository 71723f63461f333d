// SPDX-License-Identifier: MIT
#include "explain/module_bases.h"

#include <fcntl.h>
#include <linux/limits.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "kernel/proc_reader.h"

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

struct search {
    struct module_bases *bases;
    char executable[PATH_MAX];
};

static bool take(const struct map_line *mapping, void *context)
{
    const struct search *search = context;
    struct module_bases *bases = search->bases;
    const char *executable = search->executable;
    if (mapping->path[0] != '/')
        return true;
    const char *name = file_name(mapping->path);
    bool may_hold_v8 = strcmp(mapping->path, executable) == 0 || starts_with(name, "libnode.so");
    if (may_hold_v8 && mapping->executable && bases->code_count < CODE_RANGE_LIMIT)
        bases->code[bases->code_count++] = (struct code_range){mapping->start, mapping->end};
    if (mapping->offset != 0)
        return true;
    if (bases->executable == 0 && strcmp(mapping->path, executable) == 0) {
        bases->executable = mapping->start;
        bases->executable_is_python = starts_with(name, "python");
    } else if (bases->libnode == 0 && starts_with(name, "libnode.so")) {
        bases->libnode = mapping->start;
    } else if (bases->libperl == 0 && starts_with(name, "libperl.so")) {
        bases->libperl = mapping->start;
    } else if (starts_with(name, "libpython") && bases->libpython_count < LIBPYTHON_LIMIT) {
        bases->libpython[bases->libpython_count++] = mapping->start;
    } else if (starts_with(name, "libpthread.so.0") || starts_with(name, "libpthread-2.") ||
               (bases->libc == 0 &&
                (starts_with(name, "libc.so.6") || starts_with(name, "libc-2.")))) {
        /* Before glibc 2.34 threads are in a library of their own, mapped below libc or above. */
        bases->libc = mapping->start;
    }
    return true;
}

bool module_bases_read(int pid, struct module_bases *bases)
{
    struct search search = {.bases = bases};
    char path[PROC_PATH_LIMIT];
    memset(bases, 0, sizeof *bases);
    proc_path(path, pid, 0, "exe");
    long length = raw_syscall(SYS_readlinkat, AT_FDCWD, path, search.executable,
                              sizeof search.executable - 1);
    search.executable[length > 0 ? length : 0] = '\0';
    return maps_for_each(pid, take, &search);
}
