// SPDX-License-Identifier: MIT
#include "drain/readable.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <sys/auxv.h>

#include "base/raw_syscall.h"
#include "base/thread_pointer.h"
#include "base/ticks.h"
#include "drain/mapping_changes.h"

enum { PAGE_LEAST = 4096, WORD = 8 };

/* The program's own file in memory, and where the main thread's stack begins. child: constant */
static uintptr_t image_begin, image_end, main_stack_end;

/* rt_sigprocmask() reads a word before it finds that it is asked for nothing it knows. */
static bool word_is_readable(uintptr_t at)
{
    enum { NO_SUCH_OPERATION = -1 };
    if (at < WORD) /* NULL is no set, and not looked at */
        return false;
    return raw_syscall(SYS_rt_sigprocmask, NO_SUCH_OPERATION, at & ~(uintptr_t)(WORD - 1), 0,
                       WORD) != -EFAULT;
}

/* Memory that nobody takes away between two writes: static data, and what the thread's stack holds
 * below the functions that are being run. Not the heap, nor what was mapped: whoever asks write(2)
 * whether an address is good asks about those. */
static bool stays(uintptr_t at)
{
    enum { MAIN_STACK = 64 << 20, THREAD_STACK = 256 << 20 };
    if (at >= image_begin && at < image_end)
        return true;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t thread =
        read_thread_pointer(); /* of all but the first it is at the stack's beginning */
    if (at < here)
        return false;
    return thread > here && thread - here < THREAD_STACK
               ? at < thread
               : main_stack_end > here && main_stack_end - here < MAIN_STACK && at < main_stack_end;
}

static uintptr_t page_of(uintptr_t at)
{
    return at & ~(uintptr_t)(PAGE_LEAST - 1);
}

static __thread uintptr_t seen_page;   /* child: kept, it has the same memory */
static __thread uint64_t seen;         /* child: kept, likewise */
static __thread uint32_t seen_version; /* child: kept, likewise */

/* Of a page that stays. */
static bool was_seen(uintptr_t page, uint64_t now, uint32_t version)
{
    return page == seen_page && now - seen < TICKS_IN_100_US && version == seen_version;
}

bool readable_is_known(const void *memory, uint64_t size, uint64_t now)
{
    uintptr_t from = (uintptr_t)memory;
    return size <= PAGE_LEAST && page_of(from + size - 1) == page_of(from) &&
           was_seen(page_of(from), now, mapping_version()) && stays(from);
}

/* Asks the kernel, but of a page that stays not more often than each 100 us, unless the program has
 * changed what is mapped: of small records the question would take half the time. */
static bool page_is_readable(uintptr_t at, uint64_t now)
{
    uintptr_t page = page_of(at);
    if (!stays(at))
        return word_is_readable(at);
    uint32_t version = mapping_version();
    if (was_seen(page, now, version))
        return true;
    seen_page = 0; /* of neither page, for a signal handler */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (!word_is_readable(at))
        return false;
    seen = now;
    seen_version = version;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    seen_page = page;
    return true;
}

/* The first address that cannot be read, or `end`. */
static uintptr_t readable_to(uintptr_t at, uintptr_t end, uint64_t now)
{
    while (at < end && page_is_readable(at, now))
        at = page_of(at) + PAGE_LEAST;
    return at < end ? at : end;
}

bool readable(const void *memory, uint64_t size, uint64_t now)
{
    uintptr_t from = (uintptr_t)memory;
    return size <= UINTPTR_MAX - from && readable_to(from, from + size, now) == from + size;
}

uint64_t readable_bytes(const struct iovec *vector, int count, uint64_t now)
{
    uint64_t bytes = 0;
    for (int i = 0; i < count; i++) {
        uintptr_t from = (uintptr_t)vector[i].iov_base;
        uint64_t size = vector[i].iov_len;
        if (size > UINTPTR_MAX - from)
            return bytes;
        uint64_t part = readable_to(from, from + size, now) - from;
        bytes += part;
        if (part < size)
            break;
    }
    return bytes;
}

void readable_prepare(void)
{
    const ElfW(Phdr) *headers =
        (const ElfW(Phdr) *)getauxval(AT_PHDR); /* NOLINT(performance-no-int-to-ptr) */
    unsigned long count = headers ? getauxval(AT_PHNUM) : 0;
    uintptr_t bias = 0; /* of a program that is not position-independent */
    for (unsigned long i = 0; i < count; i++)
        if (headers[i].p_type == PT_PHDR)
            bias = (uintptr_t)headers - headers[i].p_vaddr;
    uintptr_t from = UINTPTR_MAX;
    uintptr_t to = 0;
    for (unsigned long i = 0; i < count; i++) {
        if (headers[i].p_type != PT_LOAD)
            continue;
        uintptr_t begin = bias + headers[i].p_vaddr;
        from = begin < from ? begin : from;
        to = begin + headers[i].p_memsz > to ? begin + headers[i].p_memsz : to;
    }
    image_begin = from;
    image_end = to;
    main_stack_end = getauxval(AT_RANDOM); /* 16 bytes above the first frame */
}
