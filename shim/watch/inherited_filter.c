// SPDX-License-Identifier: MIT
#include "watch/inherited_filter.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "kernel/status.h"
#include "process/filters.h"

/* The value of a variable; NULL: not set. */
static const char *find_variable(char *const *environment, const char *name)
{
    size_t length = strlen(name);
    for (; environment && *environment; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}

static bool file_exists(const char *path)
{
    long fd = raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        raw_syscall(SYS_close, fd);
    return fd >= 0;
}

/* Marks of container engines: Docker, Podman, whatever systemd's container interface speaks of
 * (nspawn, LXC), Kubernetes. */
static bool is_in_container(char *const *environment)
{
    return find_variable(environment, "KUBERNETES_SERVICE_HOST") ||
           find_variable(environment, "container") || file_exists("/.dockerenv") ||
           file_exists("/run/.containerenv") || file_exists("/run/systemd/container");
}

/* The process has the filters of the container's first one, and no more. */
static bool is_the_containers(uint64_t filters, char *const *environment)
{
    struct status_field first = {.name = "Seccomp_filters", .base = 10};
    return status_read(1, 0, &first, 1) && first.value == filters && is_in_container(environment);
}

bool inherited_filter_permits(char *const *environment)
{
    enum { MODE, FILTERS };
    struct status_field fields[] = {{.name = "Seccomp", .base = 10},
                                    {.name = "Seccomp_filters", .base = 10}};
    const char *setting = find_variable(environment, "PIPESHIM_SECCOMP");
    status_read(0, 0, fields, 2);
    if (fields[MODE].found && fields[MODE].value == 0)
        return true;
    /* A chroot without /proc, or a kernel without filters: the program is not watched there, and is
     * to hear why. */
    if (!fields[MODE].found) {
        filters_added(0, FORBIDS_ALL);
        return true;
    }
    bool trusted = setting && strcmp(setting, "trust") == 0;
    bool forbidden = setting && strcmp(setting, "off") == 0;
    if (!trusted && (forbidden || !fields[FILTERS].found ||
                     !is_the_containers(fields[FILTERS].value, environment)))
        return false;
    filters_added(fields[FILTERS].found ? (unsigned)fields[FILTERS].value : 1, FORBIDS_ALL);
    return true;
}
