// SPDX-License-Identifier: MIT
#include "kernel/memory_reader.h"

#include <string.h>

#include "base/raw_syscall.h"

static size_t read_process(const struct memory_reader *reader, uintptr_t address, void *to,
                           size_t size)
{
    struct iovec local = {to, size};
    struct iovec remote = {(void *)address, size};
    long copied = raw_syscall(SYS_process_vm_readv, reader->pid, &local, 1, &remote, 1, 0);
    return copied < 0 ? 0 : (size_t)copied;
}

static size_t total_size(const struct iovec *pieces, unsigned count)
{
    size_t total = 0;
    for (unsigned i = 0; i < count; i++)
        total += pieces[i].iov_len;
    return total;
}

static bool read_process_pieces(const struct memory_reader *reader, const struct iovec *local,
                                const struct iovec *remote, unsigned count)
{
    long copied = raw_syscall(SYS_process_vm_readv, reader->pid, local, count, remote, count, 0);
    return copied >= 0 && (size_t)copied == total_size(remote, count);
}

static size_t read_file(const struct memory_reader *reader, uintptr_t address, void *to,
                        size_t size)
{
    long copied = raw_syscall(SYS_pread64, reader->fd, to, size, address);
    return copied < 0 ? 0 : (size_t)copied;
}

static size_t read_image(const struct memory_reader *reader, uintptr_t address, void *to,
                         size_t size)
{
    if (address < reader->image_address || address - reader->image_address >= reader->image_size)
        return 0;
    size_t offset = address - reader->image_address;
    size_t left = reader->image_size - offset;
    size_t copied = size < left ? size : left;
    memcpy(to, (const char *)reader->image + offset, copied);
    return copied;
}

static bool read_image_pieces(const struct memory_reader *reader, const struct iovec *local,
                              const struct iovec *remote, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (!memory_read(reader, (uintptr_t)remote[i].iov_base, local[i].iov_base,
                         remote[i].iov_len))
            return false;
    return true;
}

struct memory_reader memory_reader_process(int pid)
{
    return (struct memory_reader){
        .read = read_process, .read_pieces = read_process_pieces, .pid = pid, .fd = -1};
}

struct memory_reader memory_reader_file(int fd)
{
    return (struct memory_reader){.read = read_file, .fd = fd};
}

struct memory_reader memory_reader_image(const void *image, uintptr_t address, size_t size)
{
    return (struct memory_reader){.read = read_image,
                                  .read_pieces = read_image_pieces,
                                  .fd = -1,
                                  .image = image,
                                  .image_address = address,
                                  .image_size = size};
}

bool memory_read_string(const struct memory_reader *reader, uintptr_t address, char *to,
                        size_t capacity)
{
    size_t copied = reader->read(reader, address, to, capacity - 1);
    to[copied] = '\0';
    return copied > 0;
}
