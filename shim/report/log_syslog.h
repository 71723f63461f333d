// SPDX-License-Identifier: MIT
/* Records for the system's log daemon, as RFC 3164 and /dev/log have them. */
#ifndef PIPESHIM_REPORT_LOG_SYSLOG_H
#define PIPESHIM_REPORT_LOG_SYSLOG_H

#include <stddef.h>

/* One datagram a line; one caller at a time. Returns `size` or -errno: -ENOENT, -ECONNREFUSED:
 * there is no daemon. */
long log_syslog_write(const char *data, size_t size);

/* Runs on: any. AS-safe: yes. Blocks: no. */
#endif
