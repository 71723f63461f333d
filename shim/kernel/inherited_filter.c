// SPDX-License-Identifier: MIT
#include "kernel/inherited_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
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

/* Of the environment as it was at the start; child: constant */
static struct {
    bool trusted, forbidden; /* PIPESHIM_SECCOMP */
    bool in_container;
} said;

void inherited_filter_prepare(char *const *environment)
{
    const char *setting = find_variable(environment, "PIPESHIM_SECCOMP");
    said.trusted = setting && strcmp(setting, "trust") == 0;
    said.forbidden = setting && strcmp(setting, "off") == 0;
    said.in_container = find_variable(environment, "KUBERNETES_SERVICE_HOST") ||
                        find_variable(environment, "container");
}

/* Marks of container engines: Docker, Podman, whatever systemd's container interface speaks of
 * (nspawn, LXC), Kubernetes. */
static bool is_in_container(void)
{
    return said.in_container || file_exists("/.dockerenv") || file_exists("/run/.containerenv") ||
           file_exists("/run/systemd/container");
}

/* The process has the filters of the container's first one, and no more. */
static bool is_the_containers(uint64_t filters)
{
    struct status_field first = {.name = "Seccomp_filters", .base = 10};
    return status_read(1, 0, &first, 1) && first.value == filters && is_in_container();
}

static bool has_descriptors(void)
{
    long fd = raw_syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        raw_syscall(SYS_close, fd);
    return fd != -EMFILE && fd != -ENFILE;
}

struct inherited_filter inherited_filter_read(void)
{
    enum { MODE, FILTERS };
    struct status_field fields[] = {{.name = "Seccomp", .base = 10},
                                    {.name = "Seccomp_filters", .base = 10}};
    struct inherited_filter filter = {FILTER_PERMITS, 0, 0};
    status_read(0, 0, fields, 2);
    if (fields[MODE].found && fields[MODE].value == 0)
        return filter;
    if (!fields[MODE].found && !has_descriptors()) {
        filter.verdict = FILTER_UNKNOWN;
        return filter;
    }
    /* A chroot without /proc, or a kernel without filters: the program is not watched there, and is
     * to hear why. */
    filter.forbids = FORBIDS_ALL;
    if (!fields[MODE].found)
        return filter;
    filter.count = fields[FILTERS].found ? (unsigned)fields[FILTERS].value : 1;
    if (!said.trusted &&
        (said.forbidden || !fields[FILTERS].found || !is_the_containers(fields[FILTERS].value)))
        filter.verdict = FILTER_FORBIDS;
    return filter;
}

void inherited_filter_accept(const struct inherited_filter *filter)
{
    filters_added(filter->count, filter->forbids);
}
