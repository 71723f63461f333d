// SPDX-License-Identifier: MIT
#include "explain/libunwind_loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

#include "base/dynamic_symbols.h"

#if defined(__x86_64__)
#define LIBUNWIND_SONAME "libunwind-x86_64.so.8"
#elif defined(__aarch64__)
#define LIBUNWIND_SONAME "libunwind-aarch64.so.8"
#endif

/* libunwind.h makes of unw_step the name that is exported for this architecture. */
#define STRING(name)        #name
#define EXPORTED_NAME(name) STRING(name)

/* In libdl before glibc 2.34, which the program may not have loaded. */
static __typeof__(&dlopen) open_library;
static __typeof__(&dlsym) symbol_of;
static __typeof__(&dlerror) last_error;

static bool find(void *library, const char *name, void *function)
{
    *(void **)function = symbol_of(library, name);
    return *(void **)function != NULL;
}

static bool load(struct libunwind *functions)
{
    open_library = (__typeof__(open_library))symbol_next("dlopen");
    symbol_of = (__typeof__(symbol_of))symbol_next("dlsym");
    last_error = (__typeof__(last_error))symbol_next("dlerror");
    if (!open_library || !symbol_of || !last_error)
        return false;
    void *library = open_library(LIBUNWIND_SONAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
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

bool libunwind_load(struct libunwind *functions)
{
    int saved_errno = errno;
    bool loaded = load(functions);
    if (!loaded && last_error)
        last_error(); /* the program's next dlerror() must not tell of this */
    errno = saved_errno;
    return loaded;
}
