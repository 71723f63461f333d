// SPDX-License-Identifier: MIT
#include "watch/graph_memory.h"

#include <stddef.h>
#include <sys/mman.h>

#include "base/raw_syscall.h"
#include "watch/context.h"

struct wait_graph *graph_memory_begin(struct graph_memory *memory)
{
    if (!memory->tables) {
        long made = raw_syscall(SYS_mmap, 0, WAIT_GRAPH_MEMORY, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (made < 0 && made > -4096)
            return NULL;
        memory->tables = (void *)made;
    }
    wait_graph_init(&memory->graph, memory->tables, WAIT_GRAPH_MEMORY, context_permitted_access());
    return &memory->graph;
}
