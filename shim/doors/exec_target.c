// SPDX-License-Identifier: MIT
#include "doors/exec_target.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/raw_syscall.h"

enum { ANY_X = S_IXUSR | S_IXGRP | S_IXOTH };

bool exec_may_succeed(int directory, const char *path, int flags)
{
    struct stat status = {0};
    /* Also a path that cannot be read: EFAULT, as of the exec. */
    return raw_syscall(SYS_newfstatat, directory, path, &status, flags & ~AT_EACCESS) == 0 &&
           S_ISREG(status.st_mode) && (status.st_mode & ANY_X);
}

static const char *search_path(void)
{
    for (char **entry = environ; entry && *entry; entry++)
        if (!strncmp(*entry, "PATH=", 5))
            return *entry + 5;
    return "/bin:/usr/bin";
}

bool exec_search_may_succeed(const char *file)
{
    enum { LIMIT = 1024 }; /* a vfork child is on its parent's stack; a longer path is not judged */
    char path[LIMIT];
    if (strchr(file, '/'))
        return exec_may_succeed(AT_FDCWD, file, 0);
    size_t name = strlen(file);
    for (const char *from = search_path();;) {
        const char *colon = strchrnul(from, ':');
        size_t length = (size_t)(colon - from);
        if (length + name + 2 > LIMIT)
            return true;
        memcpy(path, from, length);
        if (length > 0)
            path[length++] = '/';
        memcpy(path + length, file, name + 1);
        if (exec_may_succeed(AT_FDCWD, path, 0))
            return true;
        if (!*colon)
            return false;
        from = colon + 1;
    }
}
