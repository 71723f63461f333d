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

/* Of what an entry does not store, the slot has what an earlier call stored. */
static void forget_unsaved(struct slot_record *record)
{
    struct saved_registers saved = {.sp = record->registers.sp};
#if defined(__x86_64__)
    saved.rbp = record->registers.rbp;
#elif defined(__aarch64__)
    saved.fp = record->registers.fp;
    saved.lr = record->registers.lr;
#endif
    record->registers = saved;
    if (!call_describe(record->call)->has_size)
        record->detail = 0;
}

bool slot_copy(const struct slot *slot, struct slot_record *record)
{
    uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);
    if (!(sequence & 1))
        return false;
    record->sequence = sequence;
    record->call = slot_call(slot);
    record->end_unmarked = slot_end_is_unmarked(slot);
    record->fd = slot->fd;
    record->tid = slot->tid;
    record->buffer = slot->buffer;
    record->third = slot->detail;
    record->detail = slot->detail;
    record->wait_sp = slot->wait_sp;
    memcpy(record->waits, slot->waits, sizeof record->waits);
    record->registers = slot->registers;
    if (record->end_unmarked)
        forget_unsaved(record);
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

bool record_is_of(const struct slot_record *record, const struct task_call *call)
{
    const struct door_description *door = call_describe(record->call);
    uint64_t below = record->registers.sp - call->sp;
    if (below >= (door->class == CLASS_DNS ? NAME_SERVICES_STACK : CALLEES_STACK) ||
        !call_may_sleep_in(record->call, call->number))
        return false;
    /* An int is passed in the lower half of its register. */
    return !record->end_unmarked ||
           (call->number == door->kernel_call && (int32_t)call->arguments[0] == record->fd &&
            call->arguments[1] == record->buffer &&
            (uint32_t)call->arguments[2] == (uint32_t)record->third);
}

enum proof prove(const struct slot_record *record, struct task_call *call)
{
    *call = watched_call(record->tid);
    switch (call->status) {
    case TASK_GONE:
        return PROOF_FAILS;
    case TASK_UNREADABLE:
        slots_mark_ends(true);
        return prove_by_wait_channel(record);
    case TASK_RUNNING:
        return PROOF_RUNNING;
    case TASK_IN_CALL:
        break;
    }
    return record_is_of(record, call) ? PROOF_HOLDS : PROOF_FAILS;
}

bool record_holds(const struct slot *slot, const struct slot_record *record)
{
    struct task_call call;
    atomic_thread_fence(memory_order_acquire);
    if (record->end_unmarked && prove(record, &call) != PROOF_HOLDS)
        return false;
    return atomic_load(&slot->sequence) == record->sequence;
}
