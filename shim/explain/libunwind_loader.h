// SPDX-License-Identifier: MIT
/*
 * libunwind's remote interface, loaded at run time into a scope of its own.
 *
 * Not a DT_NEEDED: libunwind-ARCH.so needs libunwind.so, which exports _Unwind_RaiseException and
 * its kin. In the global scope of a preloaded library they would take the place of libgcc's in
 * every C++ program. Not linked statically either: Debian's libunwind.a is not
 * position-independent.
 */
#ifndef PIPESHIM_EXPLAIN_LIBUNWIND_LOADER_H
#define PIPESHIM_EXPLAIN_LIBUNWIND_LOADER_H

#include <libunwind.h>
#include <stdbool.h>

#if defined(__x86_64__)
#define LIBUNWIND_FRAME_POINTER UNW_X86_64_RBP
#define LIBUNWIND_REGISTERS     (UNW_X86_64_RIP + 1)
#elif defined(__aarch64__)
#define LIBUNWIND_FRAME_POINTER UNW_AARCH64_X29
#define LIBUNWIND_REGISTERS     (UNW_AARCH64_PC + 1)
#endif

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

/* dlopen(3), dlsym(3): only in a thread of the program, in the library's constructor. False if
 * libunwind or one of its functions is missing. Does not touch errno. */
bool libunwind_load(struct libunwind *functions);

#endif
