// SPDX-License-Identifier: MIT
/*
 * libunwind's remote interface, loaded at run time into a scope of its own.
 *
 * Not a DT_NEEDED: libunwind-ARCH.so needs libunwind.so, which exports _Unwind_RaiseException and
 * its kin. In the global scope of a preloaded library (live_stacks.c) they would take the place of
 * libgcc's in every C++ program.
 */
#ifndef PIPESHIM_REFERENCE_LIBUNWIND_LOADER_H
#define PIPESHIM_REFERENCE_LIBUNWIND_LOADER_H

#include <libunwind.h>
#include <stdbool.h>

/* Not in libunwind's headers, but exported for those who bring their own tables. */
typedef int libunwind_search_table(unw_addr_space_t space, unw_word_t ip, unw_dyn_info_t *table,
                                   unw_proc_info_t *info, int need_unwind_info, void *argument);

struct libunwind {
    __typeof__(unw_create_addr_space) *create_addr_space;
    __typeof__(unw_set_caching_policy) *set_caching_policy;
    __typeof__(unw_flush_cache) *flush_cache;
    __typeof__(unw_init_remote) *init_remote;
    __typeof__(unw_step) *step;
    __typeof__(unw_get_reg) *get_reg;
    libunwind_search_table *search_unwind_table;
};

/* False if libunwind or one of its functions is missing. */
bool libunwind_load(struct libunwind *functions);

#endif
