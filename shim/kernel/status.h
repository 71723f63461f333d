// SPDX-License-Identifier: MIT
/* What /proc/self/status says. */
#ifndef PIPESHIM_KERNEL_STATUS_H
#define PIPESHIM_KERNEL_STATUS_H

#include <stdbool.h>

/* True if the process is under a seccomp filter now. Async-signal-safe. */
bool seccomp_filter_in_force(void);

#endif
