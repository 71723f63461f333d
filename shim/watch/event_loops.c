// SPDX-License-Identifier: MIT
#include "watch/event_loops.h"

#include "explain/object_facts.h"
#include "watch/life.h"
#include "watch/task.h"

enum { RETURNS_OF_A_LOOP = 3 };

bool event_loop_thread(const struct slot_record *record)
{
    char name[COMM_LIMIT];
    switch (settings.loop) {
    case LOOP_NONE:
        return false;
    case LOOP_MAIN:
        return record->tid == atomic_load(&life->pid);
    case LOOP_NAMES:
        task_name(record->tid, name, sizeof name);
        return settings_is_loop_name(&settings, name);
    case LOOP_AUTO:
    default:
        return record->wait_returns >= RETURNS_OF_A_LOOP;
    }
}

bool event_loop_own_wait(const struct slot_record *record)
{
    return record->registers.sp >= record->wait_sp;
}
