// SPDX-License-Identifier: MIT
/*
 * Writes numbered messages to stderr for ever, and says how many write() has acknowledged.
 *
 *   drain_counter SHARED_FILE SMALLEST LARGEST
 *       SHARED_FILE: 8 bytes, mapped; set to the number of bytes after each write(), so that it
 *       holds what was acknowledged also when the program is killed. Byte o of the stream is
 *       o % 251.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    enum { LARGEST_MESSAGE = 100000 };
    static unsigned char pattern[LARGEST_MESSAGE + 251];
    if (argc != 4)
        return 2;
    int file = open(argv[1], O_RDWR);
    _Atomic uint64_t *acknowledged = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    uint64_t smallest = strtoul(argv[2], NULL, 10);
    uint64_t largest = strtoul(argv[3], NULL, 10);
    if (file < 0 || acknowledged == MAP_FAILED || largest > LARGEST_MESSAGE)
        return 2;
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (unsigned char)(i % 251);
    uint64_t offset = 0;
    for (uint64_t i = 0;; i++) {
        size_t size = smallest + 7919 * i % (largest - smallest + 1);
        ssize_t result = write(2, pattern + offset % 251, size);
        if (result < 0)
            return 1;
        offset += (uint64_t)result;
        atomic_store(acknowledged, offset);
    }
}
