// SPDX-License-Identifier: MIT
#include "slots/slot.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/raw_syscall.h"
#include "process/life.h"

enum { BITS = 64, CLAIMS_AT_LEAST = 64 };

static struct slot no_slot = {.fd = -1};      /* child: kept, as the library's state is */
__thread struct slot *thread_slot = &no_slot; /* child: kept, what it points to is wiped */

/* Written by that thread, and by the sweep when it is gone. child: kept, until its first thread has
 * the slot, which is wiped, it does no harm */
_Atomic uintptr_t first_thread_pointer;

/* A page of the file, until make_static_slots() maps memory there. child: kept, what is used of
 * it is wiped by the kernel */
struct static_slots static_slots;

enum { NOT_TRIED, TRIED, MADE };
static _Atomic uint32_t static_slots_state; /* child: kept, their memory is there as well */

/* child: kept, the chunks outlive a fork; their content does not */
static _Atomic(struct slot *) chunks[SLOT_CHUNKS];

/* A thread points to one below it, if to any. child: kept, it says so of the forking thread */
static _Atomic uint32_t pointed_bound;

void slot_set_own(struct slot *slot)
{
    uintptr_t own = read_thread_pointer();
    /* A handler's call in between finds what thread_slot says. */
    if (atomic_load(&first_thread_pointer) == own)
        atomic_store(&first_thread_pointer, 0);
    thread_slot = slot;
    /* In a forked child it is the parent's first thread's until then, who is not there. */
    if (slot == &static_slots.first)
        atomic_store(&first_thread_pointer, own);
}

struct slot *slot_none(void)
{
    return &no_slot;
}

void slots_let_pass(void)
{
    atomic_store_explicit(&no_slot.reads, CALLS_PASS, memory_order_relaxed);
}

struct slot *slot_passing(void)
{
    return atomic_load(&static_slots_state) == MADE ? &static_slots.passing : NULL;
}

struct slot *slot_at(unsigned index)
{
    if (index == 0)
        return atomic_load(&static_slots_state) == MADE ? &static_slots.first : NULL;
    struct slot *chunk =
        atomic_load_explicit(&chunks[index / SLOTS_IN_A_CHUNK], memory_order_acquire);
    return chunk ? &chunk[index % SLOTS_IN_A_CHUNK] : NULL;
}

unsigned slot_bound(void)
{
    return atomic_load(&life->slot_bound);
}

/* Memory that a forked child finds wiped, at `place` if not NULL; NULL: there is none. */
static void *map_slots(void *place, size_t size)
{
    long made = raw_syscall(SYS_mmap, place, size, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | (place ? MAP_FIXED : 0), -1, 0);
    if (made < 0 && made > -4096)
        return NULL;
    if (raw_syscall(SYS_madvise, made, size, MADV_WIPEONFORK) == 0)
        return (void *)made;
    if (!place)
        raw_syscall(SYS_munmap, made, size);
    return NULL;
}

/* Tried once: a MAP_FIXED that fails may have unmapped what was there (mmap(2)), and a second one
 * would take from the program what the kernel has put there since. Whoever comes meanwhile does
 * without. */
static bool make_static_slots(void)
{
    uint32_t state = NOT_TRIED;
    if (!atomic_compare_exchange_strong(&static_slots_state, &state, TRIED))
        return state == MADE;
    if (!map_slots(&static_slots, sizeof static_slots))
        return false;
    atomic_store(&static_slots_state, MADE);
    return true;
}

static bool make_chunk(unsigned chunk)
{
    if (atomic_load(&chunks[chunk]))
        return true;
    size_t size = sizeof(struct slot) * SLOTS_IN_A_CHUNK;
    struct slot *made = map_slots(NULL, size);
    struct slot *expected = NULL;
    if (made && !atomic_compare_exchange_strong(&chunks[chunk], &expected, made))
        raw_syscall(SYS_munmap, made, size);
    return atomic_load(&chunks[chunk]) != NULL;
}

static void raise_to(_Atomic uint32_t *bound, uint32_t to)
{
    uint32_t before = atomic_load(bound);
    while (before < to && !atomic_compare_exchange_weak(bound, &before, to))
        ;
}

static void note_index(unsigned index)
{
    raise_to(&life->slot_bound, index + 1);
    raise_to(&pointed_bound, index + 1);
}

/* Takes the first free bit; returns its index or -1. Index 0 is the first thread's only. */
static int take_index(void)
{
    for (unsigned word = 0; word < SLOT_LIMIT / BITS; word++) {
        uint64_t used = atomic_load(&life->slots_used[word]);
        uint64_t kept = word == 0 ? 1 : 0;
        while ((used | kept) != UINT64_MAX) {
            unsigned bit = (unsigned)__builtin_ctzll(~(used | kept));
            if (!atomic_compare_exchange_weak(&life->slots_used[word], &used, used | 1ULL << bit))
                continue;
            note_index(word * BITS + bit);
            return (int)(word * BITS + bit);
        }
    }
    return -1;
}

static void give_back_index(unsigned index)
{
    atomic_fetch_and(&life->slots_used[index / BITS], ~(1ULL << index % BITS));
}

/* Even, and none that it has had: who remembers the last one sees that this is another call. */
static void begin_sequence(struct slot *slot)
{
    atomic_store(&slot->sequence, (atomic_load(&slot->sequence) | 1) + 1);
}

/* Its thread control block may be a new thread's next. */
static void forget_first_thread(const struct slot *slot)
{
    if (slot == &static_slots.first)
        atomic_store(&first_thread_pointer, 0);
}

unsigned slot_sweep(void)
{
    unsigned freed = 0;
    unsigned left = 0;
    int pid = atomic_load(&life->pid);
    for (unsigned index = 0; index < slot_bound(); index++) {
        struct slot *slot = slot_at(index);
        int tid = slot ? __atomic_load_n(&slot->tid, __ATOMIC_ACQUIRE) : 0;
        if (tid <= 0)
            continue;
        if (raw_syscall(SYS_tgkill, pid, tid, 0) != -ESRCH) {
            left++;
            continue;
        }
        /* Only one of two sweepers frees it. */
        if (!__atomic_compare_exchange_n(&slot->tid, &tid, 0, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_RELAXED))
            continue;
        forget_first_thread(slot);
        atomic_store(&slot->armed, SLOT_DISARMED);
        atomic_store(&slot->reads, READS_ASK);
        begin_sequence(slot);
        give_back_index(index);
        freed++;
    }
    atomic_store(&life->slots_left, left);
    atomic_store(&life->slot_claims, 0);
    return freed;
}

static void disarm(struct slot *slot, bool also_passing)
{
    atomic_store_explicit(&slot->armed, SLOT_DISARMED, memory_order_relaxed);
    if (also_passing || atomic_load_explicit(&slot->reads, memory_order_relaxed) != READS_PASS)
        atomic_store_explicit(&slot->reads, READS_ASK, memory_order_relaxed);
}

static void disarm_all(bool also_passing)
{
    for (unsigned index = 0; index < slot_bound(); index++) {
        struct slot *slot = slot_at(index);
        if (slot)
            disarm(slot, also_passing);
    }
}

void slots_disarm(void)
{
    disarm_all(false);
}

void slots_reset(void)
{
    struct slot *passing = slot_passing();
    disarm_all(true);
    if (passing)
        disarm(passing, true);
}

void slots_mark_ends(bool wanted)
{
    if (atomic_exchange(&life->ends_marked, wanted) != wanted)
        slots_reset();
}

/* The bits of word `word` below `bound`. */
static uint64_t bits_below(uint32_t bound, unsigned word)
{
    if (bound >= (word + 1) * BITS)
        return UINT64_MAX;
    return bound > word * BITS ? (1ULL << (bound - word * BITS)) - 1 : 0;
}

void slots_begin_in_child(void)
{
    uint32_t bound = atomic_load(&pointed_bound);
    for (unsigned word = 0; word * BITS < bound; word++)
        atomic_fetch_or(&life->slots_used[word], bits_below(bound, word));
    atomic_store(&life->slots_withheld, bound);
}

/* By the thread that came from the parent. */
static void give_back_withheld(void)
{
    uint32_t bound = atomic_exchange(&life->slots_withheld, 0);
    slot_set_own(&no_slot);
    for (unsigned word = 0; word * BITS < bound; word++)
        atomic_fetch_and(&life->slots_used[word], ~bits_below(bound, word));
    atomic_store(&pointed_bound, atomic_load(&life->slot_bound));
}

static struct slot *take_first(void)
{
    if (atomic_fetch_or(&life->slots_used[0], 1) & 1)
        return NULL;
    note_index(0);
    return &static_slots.first;
}

static struct slot *take_any(void)
{
    int index = take_index();
    if (index < 0)
        return NULL;
    if (make_chunk((unsigned)index / SLOTS_IN_A_CHUNK))
        return slot_at((unsigned)index);
    give_back_index((unsigned)index);
    return NULL;
}

struct slot *slot_take(int tid)
{
    if (atomic_load(&life->slots_withheld) != 0 && tid == atomic_load(&life->pid))
        give_back_withheld();
    /* Threads come and go: the dead are looked for once in as many claims as threads were alive, so
     * that there are never many more slots than threads, nor many system calls a claim. */
    if (atomic_fetch_add(&life->slot_claims, 1) >= atomic_load(&life->slots_left) + CLAIMS_AT_LEAST)
        slot_sweep();
    /* By whichever thread is the first to claim: all others' reads pass by one of them. */
    bool there = make_static_slots();
    struct slot *slot = there && tid == atomic_load(&life->pid) ? take_first() : NULL;
    if (!slot)
        slot = take_any();
    if (!slot)
        return NULL;
    begin_sequence(slot);
    atomic_store(&slot->reads, READS_ASK);
    slot->watch = (struct slot_watch){0};
    memset(slot->waits, 0, sizeof slot->waits);
    memset(&slot->asked, 0, sizeof slot->asked);
    slot->thread_pointer = read_thread_pointer();
    __atomic_store_n(&slot->tid, tid, __ATOMIC_RELEASE);
    return slot;
}
