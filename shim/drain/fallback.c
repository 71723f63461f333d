// SPDX-License-Identifier: MIT
#include "drain/fallback.h"

#include <stdatomic.h>

static _Atomic unsigned fallbacks;

void fallback_note(enum drain_fallback fallback)
{
    atomic_fetch_or(&fallbacks, (unsigned)fallback);
}

unsigned drain_fallbacks(void)
{
    return atomic_exchange(&fallbacks, 0);
}

void fallback_begin_in_child(void)
{
    atomic_store(&fallbacks, 0);
}
