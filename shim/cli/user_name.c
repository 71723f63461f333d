// SPDX-License-Identifier: MIT
#include "cli/user_name.h"

#include <pwd.h>
#include <stdio.h>

const char *user_name(uid_t user)
{
    static char name[64];
    FILE *file = fopen("/etc/passwd", "re");
    const struct passwd *entry = NULL;
    while (file && (entry = fgetpwent(file)) != NULL && entry->pw_uid != user)
        ;
    if (entry)
        snprintf(name, sizeof name, "%s", entry->pw_name);
    if (file)
        fclose(file);
    return entry ? name : NULL;
}
