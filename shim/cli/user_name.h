// SPDX-License-Identifier: MIT
/* Names of users, for a tool that may be linked statically and run with any libc. */
#ifndef PIPESHIM_CLI_USER_NAME_H
#define PIPESHIM_CLI_USER_NAME_H

#include <sys/types.h>

/* From /etc/passwd alone: getpwuid(3) loads the system's name service modules, which a static
 * program must not (they may be another glibc's). NULL: no such user there. Valid until the next
 * call. */
const char *user_name(uid_t user);

#endif
/* Runs on: the tool. AS-safe: no. Blocks: on a file. */
