// SPDX-License-Identifier: MIT
/*
 * Reading memory that may vanish under the reader.
 *
 * Everything that looks at a program from outside its own threads (the unwinder, the symbol
 * reader, the CPython reader) reads through this interface and so cannot fault: the address may be
 * unmapped, garbage, or change while it is read.
 */
#ifndef PIPESHIM_KERNEL_MEMORY_READER_H
#define PIPESHIM_KERNEL_MEMORY_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum { READ_PIECES_LIMIT = 1024 }; /* UIO_MAXIOV of the kernel */

struct memory_reader {
    /* Copies up to `size` bytes at `address`; returns the bytes copied from the start, 0 if none.
     */
    size_t (*read)(const struct memory_reader *reader, uintptr_t address, void *to, size_t size);
    /* Copies `count` pieces in this order and as close in time as can be: in one system call. True
     * if all were copied whole. NULL: this reader cannot. At most READ_PIECES_LIMIT. */
    bool (*read_pieces)(const struct memory_reader *reader, const struct iovec *local,
                        const struct iovec *remote, unsigned count);
    int pid;                 /* process_vm_readv: the process */
    int fd;                  /* /proc/PID/mem: the open file */
    const void *image;       /* an image of memory (tests, fuzzing): its bytes, */
    uintptr_t image_address; /* the address they stand for */
    size_t image_size;       /* and how many there are */
};

/* process_vm_readv(2): allowed on one's own process also when it is not dumpable. A seccomp filter
 * may kill for it (kernel/memory_reader.c does not test for that; the caller must). */
struct memory_reader memory_reader_process(int pid);
/* pread(2) on an open /proc/PID/mem: for processes under a seccomp filter. */
struct memory_reader memory_reader_file(int fd);
/* An image of `size` bytes that stands for the memory at `address`. */
struct memory_reader memory_reader_image(const void *image, uintptr_t address, size_t size);

/* True if all `size` bytes could be read. Async-signal-safe; does not touch errno. */
static inline bool memory_read(const struct memory_reader *reader, uintptr_t address, void *to,
                               size_t size)
{
    return reader->read(reader, address, to, size) == size;
}

/* Reads a NUL-terminated string of at most `capacity` - 1 bytes, always terminates `to`; false if
 * not even the first byte could be read. A longer string is cut. */
bool memory_read_string(const struct memory_reader *reader, uintptr_t address, char *to,
                        size_t capacity);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
