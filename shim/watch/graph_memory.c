// SPDX-License-Identifier: MIT
#include "watch/graph_memory.h"

#include <sys/mman.h>

#include "base/raw_syscall.h"
#include "watch/context.h"

static void *memory;            /* mapped when first needed; child: kept, it is a mapping */
static struct wait_graph graph; /* child: scratch */

struct wait_graph *graph_memory_begin(void)
{
    if (!memory) {
        long made = raw_syscall(SYS_mmap, 0, WAIT_GRAPH_MEMORY, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (made < 0 && made > -4096)
            return NULL;
        memory = (void *)made;
    }
    wait_graph_init(&graph, memory, WAIT_GRAPH_MEMORY, context_permitted_access());
    return &graph;
}
