// SPDX-License-Identifier: MIT
#include "libunwind_loader.h"

#include <dlfcn.h>
#include <stddef.h>

#if defined(__x86_64__)
#define LIBUNWIND_SONAME "libunwind-x86_64.so.8"
#elif defined(__aarch64__)
#define LIBUNWIND_SONAME "libunwind-aarch64.so.8"
#endif

/* libunwind.h makes of unw_step the name that is exported for this architecture. */
#define STRING(name)        #name
#define EXPORTED_NAME(name) STRING(name)

static bool find(void *library, const char *name, void *function)
{
    *(void **)function = dlsym(library, name);
    return *(void **)function != NULL;
}

bool libunwind_load(struct libunwind *functions)
{
    void *library = dlopen(LIBUNWIND_SONAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    return library != NULL &&
           find(library, EXPORTED_NAME(unw_create_addr_space), &functions->create_addr_space) &&
           find(library, EXPORTED_NAME(unw_set_caching_policy), &functions->set_caching_policy) &&
           find(library, EXPORTED_NAME(unw_flush_cache), &functions->flush_cache) &&
           find(library, EXPORTED_NAME(unw_init_remote), &functions->init_remote) &&
           find(library, EXPORTED_NAME(unw_step), &functions->step) &&
           find(library, EXPORTED_NAME(unw_get_reg), &functions->get_reg) &&
           find(library, EXPORTED_NAME(UNW_OBJ(dwarf_search_unwind_table)),
                &functions->search_unwind_table);
}
