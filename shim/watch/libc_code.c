// SPDX-License-Identifier: MIT
#include "watch/libc_code.h"

#include "explain/module_bases.h"
#include "explain/modules.h"
#include "watch/context.h"

static struct code_range
    libc; /* end 0: it was not found; child: kept, is_known says that it counts */
static bool is_known;

void libc_code_begin(void)
{
    is_known = false;
}

static struct code_range find_libc(void)
{
    static struct module_bases bases; /* child: scratch */
    struct module module;
    if (module_bases_read(0, &bases) && bases.libc != 0 &&
        module_find(modules_own(), context_memory(), bases.libc, &module))
        return (struct code_range){module.map_start, module.map_end};
    return (struct code_range){0};
}

bool libc_code_holds(uint64_t lowest, uint64_t highest)
{
    if (!is_known)
        libc = find_libc();
    is_known = true;
    return lowest >= libc.start && highest < libc.end;
}
