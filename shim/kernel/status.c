// SPDX-License-Identifier: MIT
#include "kernel/status.h"

#include <stdint.h>

#include "kernel/proc_reader.h"

bool seccomp_filter_in_force(void)
{
    enum { MODE_FILTER = 2 };
    int64_t mode = 0;
    return proc_field("/proc/self/status", "Seccomp:", &mode) && mode == MODE_FILTER;
}
