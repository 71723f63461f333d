// SPDX-License-Identifier: MIT
#include "watch/untested_writes.h"

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "drain/headroom.h"
#include "kernel/borrowed_fd.h"
#include "kernel/object_reader.h"
#include "process/life.h"
#include "slots/slot.h"
#include "watch/context.h"
#include "watch/proof.h"

/* A write that was let pass untested, as there was space, and found none. True: it was helped. */
static bool check_untested(struct slot *slot, uint64_t now)
{
    enum { STUCK_FOR_NS = 10 * NS_PER_MS };
    struct slot_record record;
    struct task_call call;
    if (slot->tid == 0 || slot->untested != slot->watch.sequence ||
        now - slot->watch.since_ns < STUCK_FOR_NS || !slot_copy(slot, &record) ||
        record.sequence != slot->watch.sequence || prove(&record, &call) != PROOF_HOLDS ||
        call.number != SYS_write)
        return false;
    long fd = borrowed_fd(atomic_load(&life->pid), (int)call.arguments[0]);
    if (fd < 0)
        return false;
    atomic_store(&headroom_watched, false); /* first: the program goes on at once */
    headroom_rescue((int)fd);
    raw_syscall(SYS_close, fd);
    return true;
}

void untested_writes_scan(uint64_t now)
{
    static bool went_wrong; /* child: kept, it would go wrong there as well */
    bool watched = context_permitted_access() & ACCESS_BORROW;
    for (unsigned index = 0; watched && index < slot_bound(); index++)
        if (slot_at(index))
            went_wrong |= check_untested(slot_at(index), now);
    atomic_store(&headroom_watched, watched && !went_wrong);
}
