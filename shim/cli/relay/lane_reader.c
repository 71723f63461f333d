// SPDX-License-Identifier: MIT
#include "cli/relay/lane_reader.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/diagnose/members.h"
#include "kernel/object_reader.h"
#include "kernel/process_name.h"

void lane_find_reader(struct lane *lane)
{
    static struct object_facts object;
    static struct member member;
    struct drain_rescue *rescue = &lane->rescue;
    if (lane->reader_sought || lane->out < 0)
        return;
    lane->reader_sought = true;
    if (object_facts_of_fd(getpid(), lane->out, ROLE_WRITER, ACCESS_ALL, &object) != 0)
        return;
    snprintf(rescue->object, sizeof rescue->object, "%s", object.name);
    for (unsigned i = 0; i < object.pipe.peer_count && i < PEER_LIMIT; i++)
        if (object.pipe.peers[i].pid != getpid() && rescue->reader.pid == 0)
            rescue->reader = object.pipe.peers[i];
    if (rescue->reader.pid == 0)
        return;
    process_name(rescue->reader.pid, rescue->reader.comm, rescue->reader_name);
    diagnosis_read_thread(rescue->reader.pid, rescue->reader.pid, &member);
    snprintf(rescue->where, sizeof rescue->where, "%s", member.where);
    diagnosis_forget_thread(&member);
}
