// SPDX-License-Identifier: MIT
#include "watch/graph_memory.h"

#include <stddef.h>
#include <sys/mman.h>

#include "base/raw_syscall.h"
#include "watch/context.h"

enum { FACTOR = 4, SIZE_AT_MOST = 64 * WAIT_GRAPH_MEMORY };

static bool map(struct graph_memory *memory, size_t size)
{
    long made = raw_syscall(SYS_mmap, 0, size, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made < 0 && made > -4096)
        return false;
    if (memory->tables)
        raw_syscall(SYS_munmap, memory->tables, memory->size);
    memory->tables = (void *)made;
    memory->size = size;
    return true;
}

static struct wait_graph *empty_graph(struct graph_memory *memory)
{
    wait_graph_init(&memory->graph, memory->tables, memory->size, context_permitted_access());
    return &memory->graph;
}

struct wait_graph *graph_memory_grow(struct graph_memory *memory)
{
    bool larger = memory->graph.incomplete && memory->size < SIZE_AT_MOST &&
                  map(memory, FACTOR * memory->size);
    return larger ? empty_graph(memory) : NULL;
}

struct wait_graph *graph_memory_begin(struct graph_memory *memory)
{
    if (!memory->tables && !map(memory, WAIT_GRAPH_MEMORY))
        return NULL;
    return empty_graph(memory);
}
