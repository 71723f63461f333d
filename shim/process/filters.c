// SPDX-License-Identifier: MIT
#include "process/filters.h"

#include <stdatomic.h>

static _Atomic unsigned known;             /* child: kept, it is under them as well */
static _Atomic unsigned forbidden_by_them; /* child: kept, as the other */

void filters_added(unsigned count, unsigned forbidden)
{
    atomic_fetch_or(&forbidden_by_them, forbidden);
    atomic_fetch_add(&known, count);
}

unsigned filters_known(void)
{
    return atomic_load(&known);
}

unsigned filters_forbid(void)
{
    return atomic_load(&forbidden_by_them);
}
