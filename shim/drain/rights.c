// SPDX-License-Identifier: MIT
#include "drain/rights.h"

#include <stdint.h>

#include "kernel/status.h"

/* Of the file status, as read_rights() asks for them. */
enum {
    FIELD_USER, /* real, effective, saved, of the file system */
    USERS = 4,
    FIELD_CAPABILITIES = FIELD_USER + USERS, /* permitted: what it can take back */
    FIELD_NO_NEW_PRIVILEGES,
    FIELD_FILTER,
    FIELDS
};

static bool read_rights(int pid, struct status_field fields[FIELDS])
{
    fields[FIELD_CAPABILITIES] = (struct status_field){.name = "CapPrm", .base = 16};
    fields[FIELD_NO_NEW_PRIVILEGES] = (struct status_field){.name = "NoNewPrivs", .base = 10};
    fields[FIELD_FILTER] = (struct status_field){.name = "Seccomp", .base = 10};
    for (unsigned i = 0; i < USERS; i++)
        fields[FIELD_USER + i] = (struct status_field){.name = "Uid", .base = 10, .nth = i + 1};
    return status_read(pid, 0, fields, FIELDS);
}

/* Every one of its users, so that one which may go back to ours is not taken for it. */
static bool is_user(const struct status_field fields[FIELDS], uint64_t user)
{
    for (unsigned i = 0; i < USERS; i++)
        if (fields[FIELD_USER + i].value != user)
            return false;
    return true;
}

bool rights_include_ours(int pid)
{
    struct status_field ours[FIELDS];
    struct status_field theirs[FIELDS];
    if (pid <= 0 || !read_rights(0, ours) || !read_rights(pid, theirs))
        return false;
    uint64_t effective = ours[FIELD_USER + 1].value;
    return (is_user(theirs, effective) || is_user(theirs, 0)) &&
           (ours[FIELD_CAPABILITIES].value & ~theirs[FIELD_CAPABILITIES].value) == 0 &&
           theirs[FIELD_NO_NEW_PRIVILEGES].value <= ours[FIELD_NO_NEW_PRIVILEGES].value &&
           theirs[FIELD_FILTER].value <= ours[FIELD_FILTER].value;
}
