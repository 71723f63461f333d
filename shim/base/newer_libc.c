// SPDX-License-Identifier: MIT
#include "base/newer_libc.h"

#include <stddef.h>

#include "base/dynamic_symbols.h"

static const char unknown = 0;
const char *libc_single_threaded = &unknown; /* child: constant */
static void (*testcancel)(void);             /* child: constant */

void cancellation_point(void)
{
    if (testcancel)
        testcancel();
}

void newer_libc_find(void)
{
    /* Data: an executable that uses it has a copy, which is then the one that libc writes. */
    const char *single_threaded = (const char *)symbol_global("__libc_single_threaded");
    if (single_threaded)
        libc_single_threaded = single_threaded;
    testcancel = (void (*)(void))symbol_next("pthread_testcancel");
}
