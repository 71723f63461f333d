// SPDX-License-Identifier: MIT
#include "watch/proof.h"

#include <string.h>

#include "kernel/call_table.h"
#include "kernel/rights.h"

/* libc needs 48 bytes of stack for write(), some KiB for vdprintf's buffer, 10 for syslog's; what
 * getaddrinfo's name services need nobody has promised. */
enum { CALLEES_STACK = 64 * 1024, NAME_SERVICES_STACK = 512 * 1024 };

struct task_call watched_call(int tid)
{
    if (rights_hold())
        return task_read_call(tid);
    return (struct task_call){.status = TASK_RUNNING, .number = -1};
}

bool slot_copy(const struct slot *slot, struct slot_record *record)
{
    uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);
    if (!(sequence & 1))
        return false;
    record->sequence = sequence;
    record->call = (enum call_id)slot->call;
    record->fd = slot->fd;
    record->tid = slot->tid;
    record->detail = slot->detail;
    memcpy(record->waits, slot->waits, sizeof record->waits);
    record->registers = slot->registers;
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&slot->sequence, memory_order_relaxed) == sequence;
}

/* A process that is not dumpable may not read its own `syscall` file, but its `wchan`. */
static enum proof prove_by_wait_channel(const struct slot_record *record)
{
    char name[64];
    task_wait_channel(record->tid, name, sizeof name);
    if (!name[0])
        return PROOF_RUNNING;
    switch (call_describe(record->call)->class) {
    case CLASS_PIPE_WRITE:
        return wchan_may_be(name, WAIT_WRITE) ? PROOF_HOLDS : PROOF_FAILS;
    case CLASS_PIPE_READ:
        return wchan_may_be(name, WAIT_READ) ? PROOF_HOLDS : PROOF_FAILS;
    default:
        return PROOF_FAILS;
    }
}

enum proof prove(const struct slot_record *record, struct task_call *call)
{
    *call = watched_call(record->tid);
    switch (call->status) {
    case TASK_GONE:
        return PROOF_FAILS;
    case TASK_UNREADABLE:
        return prove_by_wait_channel(record);
    case TASK_RUNNING:
        return PROOF_RUNNING;
    case TASK_IN_CALL:
        break;
    }
    uint64_t below = record->registers.sp - call->sp;
    uint64_t limit =
        call_describe(record->call)->class == CLASS_DNS ? NAME_SERVICES_STACK : CALLEES_STACK;
    return call_may_sleep_in(record->call, call->number) && below < limit ? PROOF_HOLDS
                                                                          : PROOF_FAILS;
}
