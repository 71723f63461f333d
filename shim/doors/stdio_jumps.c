// SPDX-License-Identifier: MIT
#include "doors/stdio_jumps.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "base/dynamic_symbols.h"
#include "base/raw_syscall.h"
#include "doors/claim.h"
#include "doors/drain_doors.h"
#include "doors/nonblocking_doors.h"
#include "process/pairs.h"

enum { READ_ENTRY = 14, WRITE_ENTRY = 15, RELRO_LIMIT = 1 << 20 };

typedef ssize_t write_function(FILE *file, const void *data, ssize_t size);

typedef ssize_t read_function(FILE *file, void *data, ssize_t size);

static write_function *real_file_write; /* child: constant */
static read_function *real_file_read;   /* child: constant */

/* Programs read their settings by stdio: no system call for a file that is none of these. */
static inline bool may_be_pipe(int fd)
{
    return fd == 0 || pairs_any_made();
}

static ssize_t stdio_read_door(FILE *file, void *data, ssize_t size)
{
    int fd = file->_fileno;
    struct slot *slot = thread_slot;
    if (atomic_load_explicit(&slot->reads, memory_order_relaxed) == READS_PASS)
        return real_file_read(file, data, size);
    if (__builtin_expect(!atomic_load_explicit(&slot->armed, memory_order_relaxed), 0))
        slot = may_be_pipe(fd) ? slot_claim(CALL_stdio_read, fd, (uint64_t)size) : NULL;
    /* getaddrinfo() reads its files by stdio: what the program called is recorded already. */
    if (__builtin_expect(!slot, 0) || slot_is_inside(slot))
        return real_file_read(file, data, size);
    slot_enter(slot, CALL_stdio_read, fd, size);
    ssize_t result = real_file_read(file, data, size);
    slot_leave(slot);
    return result;
}

static ssize_t write_or_drain(FILE *file, int fd, const void *data, ssize_t size)
{
    ssize_t result;
    if (drain_doors_stdio(fd, data, (size_t)size, &result)) {
        if (result < 0)
            file->_flags |= _IO_ERR_SEEN; /* as libc's own write does */
        return result < 0 ? 0 : result;
    }
    return real_file_write(file, data, size);
}

/* The destructors of other libraries write after ours have run, and exit() flushes last of all:
 * this stays in place until the process is gone (-z nodelete keeps the code). */
static ssize_t stdio_write_door(FILE *file, const void *data, ssize_t size)
{
    int fd = file->_fileno;
    struct slot *slot = thread_slot;
    if (__builtin_expect(!atomic_load_explicit(&slot->armed, memory_order_relaxed), 0))
        slot = slot_claim(CALL_stdio_write, fd, (uint64_t)size);
    if (__builtin_expect(!slot, 0))
        return write_or_drain(file, fd, data, size);
    slot_enter(slot, CALL_stdio_write, fd, size);
    ssize_t result = write_or_drain(file, fd, data, size);
    slot_leave(slot);
    if (__builtin_expect(result != size, 0))
        write_fell_short(fd, result, NULL); /* it returns into libc */
    return result;
}

static bool is_as_expected(void *const *table, const void *read, const void *write)
{
    return table && read && write && table[READ_ENTRY] == read && table[WRITE_ENTRY] == write;
}

/* The tables lie in libc's RELRO, read-only after relocation, one close after the other: in one
 * page or in two. What is behind them there is made writable with them for that moment: so the
 * kernel moves the border to libc's data and back (3.2 us), where a page in the midst is a mapping
 * of its own to be made and merged again (6.8 us; each start pays it). Each entry is one aligned
 * word. */
static bool replace(const struct symbol_tables *libc, void **one, void **other)
{
    void **tables[] = {one, other};
    uintptr_t page_size = getauxval(AT_PAGESZ);
    uintptr_t low = (uintptr_t)(one < other ? &one[READ_ENTRY] : &other[READ_ENTRY]);
    uintptr_t high = (uintptr_t)(one < other ? &other[WRITE_ENTRY] : &one[WRITE_ENTRY]);
    uintptr_t relro_end = symbol_tables_relro_end(libc, page_size);
    low &= ~(page_size - 1);
    high = (high & ~(page_size - 1)) + page_size;
    if (high - low > 2 * page_size)
        return false;
    if (high < relro_end && relro_end - low < RELRO_LIMIT)
        high = relro_end;
    if (raw_syscall(SYS_mprotect, low, high - low, PROT_READ | PROT_WRITE) != 0)
        return false;
    for (unsigned i = 0; i < 2; i++) {
        __atomic_store_n(&tables[i][READ_ENTRY], (void *)stdio_read_door, __ATOMIC_RELEASE);
        __atomic_store_n(&tables[i][WRITE_ENTRY], (void *)stdio_write_door, __ATOMIC_RELEASE);
    }
    raw_syscall(SYS_mprotect, low, high - low, PROT_READ);
    return true;
}

const char *stdio_jumps_install(void)
{
    const struct symbol_tables *libc = symbols_of_known_libc();
    if (!libc)
        return "this libc is not known";
    void **narrow = symbol_tables_find(libc, "_IO_file_jumps");
    void **wide = symbol_tables_find(libc, "_IO_wfile_jumps");
    void *read = symbol_tables_find(libc, "_IO_file_read");
    void *write = symbol_tables_find(libc, "_IO_file_write");
    if (!is_as_expected(narrow, read, write) || !is_as_expected(wide, read, write))
        return "this libc's FILE tables are not laid out as expected";
    real_file_read = (read_function *)read;
    real_file_write = (write_function *)write;
    if (!replace(libc, narrow, wide))
        return "the kernel does not let libc's FILE tables be changed";
    return NULL;
}
