// SPDX-License-Identifier: MIT
#include "process/executable.h"

#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/raw_syscall.h"
#include "base/script_name.h"

static char path[PATH_MAX];           /* child: constant */
static const char *known_path = path; /* child: constant */
static _Atomic bool known;            /* child: constant */

static const char *executed_path(void)
{
    const char *executed = (const char *)getauxval(AT_EXECFN);
    return executed ? executed : "";
}

/* Two threads that come first at once write the same. */
const char *executable_path(void)
{
    if (!atomic_load_explicit(&known, memory_order_acquire)) {
        long size = raw_syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", path, sizeof path - 1);
        known_path = size > 0 ? path : executed_path();
        atomic_store_explicit(&known, true, memory_order_release);
    }
    return known_path;
}

const char *executable_name(void)
{
    return path_last_part(executable_path());
}

const char *executable_name_at_start(char *const *arguments)
{
    const char *executed = executed_path();
    /* Of a script that is the script, and an argument of its interpreter (binfmt_script.c in the
     * kernel: the interpreter, at most one argument of its own, the script). */
    for (int i = 1; i <= 2 && arguments[0] && arguments[i - 1] && arguments[i]; i++)
        if (strcmp(arguments[i], executed) == 0)
            return NULL;
    /* A link may lead to a file of another name. */
    long fd = raw_syscall(SYS_openat, AT_FDCWD, executed, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return NULL;
    raw_syscall(SYS_close, fd);
    return path_last_part(executed);
}
