// SPDX-License-Identifier: MIT
#include "explain/mapped_file.h"

#include <stddef.h>
#include <string.h>

#include "explain/maps.h"

/* Whether the mapping goes on where `file` was mapped before. .bss follows a file's last mapping
 * without a name: it holds no code. */
static bool goes_on(const struct map_line *mapping, const struct mapped_file *file)
{
    return mapping->offset != 0 && mapping->path[0] != '\0' &&
           strncmp(mapping->path, file->path, sizeof file->path - 1) == 0;
}

static void begin_file(const struct map_line *mapping, struct mapped_file *file)
{
    size_t length = strlen(mapping->path);
    length = length < sizeof file->path ? length : sizeof file->path - 1;
    file->start = mapping->start;
    file->end = mapping->end;
    memcpy(file->path, mapping->path, length);
    file->path[length] = '\0';
}

/* --- One address ------------------------------------------------------------------------------ */

struct search {
    uintptr_t address;
    bool found;
    struct mapped_file *file; /* of the lines before */
};

static bool search_line(const struct map_line *mapping, void *context)
{
    struct search *search = context;
    if (goes_on(mapping, search->file))
        search->file->end = mapping->end;
    else if (search->found)
        return false;
    else if (mapping->path[0] != '\0')
        begin_file(mapping, search->file);
    if (mapping->path[0] != '\0' && search->address >= mapping->start &&
        search->address < mapping->end)
        search->found = true;
    return true;
}

bool mapped_file_find(int pid, uintptr_t address, struct mapped_file *file)
{
    struct search search = {.address = address, .file = file};
    *file = (struct mapped_file){0};
    return maps_for_each(pid, search_line, &search) && search.found;
}

/* --- All ---------------------------------------------------------------------------------------*/

struct list {
    struct mapped_file *files;
    unsigned count, limit;
};

static bool list_line(const struct map_line *mapping, void *context)
{
    struct list *list = context;
    if (list->count > 0 && goes_on(mapping, &list->files[list->count - 1])) {
        list->files[list->count - 1].end = mapping->end;
        return true;
    }
    /* Without its first bytes it has no ELF header. */
    if (mapping->path[0] == '\0' || mapping->offset != 0)
        return true;
    if (list->count == list->limit)
        return false;
    begin_file(mapping, &list->files[list->count++]);
    return true;
}

unsigned mapped_files_read(int pid, struct mapped_file *files, unsigned limit)
{
    struct list list = {.files = files, .limit = limit};
    maps_for_each(pid, list_line, &list);
    return list.count;
}
