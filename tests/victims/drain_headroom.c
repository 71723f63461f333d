// SPDX-License-Identifier: MIT
/*
 * A write that the drainer lets pass untested, because the pipe was empty, and that finds no space.
 * Both ends are this program's, which reads only between two tries; without a rescue it hangs.
 *
 *   drain_headroom unseen   each record that vmsplice() brings takes one of the pipe's 16 buffers
 *   drain_headroom seen     a large write() takes all but the first: of that the drainer knows
 *
 * Ends with "rescued" if the pipe was made larger once, and in all the tries after that no more, or
 * "again"; "never"; "wrong" if a record is not the one that is due.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { RECORD = 64, BUFFERS = 64, TRIES_AFTER = 50, TRIES_SEEN = 20, DEADLINE_S = 10 };

static uint64_t written, seen;
static uint64_t pages[BUFFERS][RECORD / sizeof(uint64_t)];

static int write_one(int fd)
{
    uint64_t record[RECORD / sizeof(uint64_t)] = {written++};
    return write(fd, record, RECORD) == RECORD;
}

/* All of the pipe's buffers but the first. */
static int fill(int fd)
{
    struct iovec records[BUFFERS];
    int count = fcntl(fd, F_GETPIPE_SZ) / (int)sysconf(_SC_PAGESIZE) - 1;
    for (int i = 0; i < count && i < BUFFERS; i++) {
        pages[i][0] = written++;
        records[i] = (struct iovec){pages[i], RECORD};
    }
    return count < BUFFERS && vmsplice(fd, records, (size_t)count, 0) == RECORD * count;
}

static uint64_t large[BUFFERS * 4096 / sizeof(uint64_t)];

/* The same by one write, which fills each buffer. */
static int fill_by_write(int fd)
{
    size_t size = (size_t)fcntl(fd, F_GETPIPE_SZ) - 4096;
    for (size_t at = 0; at < size; at += RECORD)
        large[at / sizeof *large] = written++;
    return size <= sizeof large && write(fd, large, size) == (ssize_t)size;
}

static int read_all(int fd)
{
    uint64_t record[RECORD / sizeof(uint64_t)];
    for (; seen < written; seen++)
        for (size_t got = 0; got < RECORD || record[0] != seen;) {
            ssize_t part = read(fd, (char *)record + got, RECORD - got);
            got += part > 0 ? (size_t)part : 0;
            if (part <= 0 || (got == RECORD && record[0] != seen))
                return 0;
        }
    return 1;
}

int main(int argc, char **argv)
{
    int ends[2];
    int seen_by_library = argc > 1 && strcmp(argv[1], "seen") == 0;
    struct timespec moment = {0, seen_by_library ? 100000000 : 1000000};
    time_t end = time(NULL) + DEADLINE_S;
    if (pipe(ends) != 0)
        return 1;
    memset(large, 1, sizeof large); /* no page fault between two writes */
    int rescues = 0;
    int after = 0;
    for (int tries = 0; after < TRIES_AFTER && time(NULL) < end; tries++) {
        if (seen_by_library && tries == TRIES_SEEN)
            break;
        int before = fcntl(ends[1], F_GETPIPE_SZ);
        int well = 1;
        /* The first comes alone and is tested; after the look for one of the next ones the pipe is
         * known to be empty. */
        for (int i = 0; i < 8; i++)
            well &= write_one(ends[1]) && read_all(ends[0]);
        if (!well || !write_one(ends[1]) || !(seen_by_library ? fill_by_write : fill)(ends[1]) ||
            !write_one(ends[1])) {
            puts("wrong");
            return 0;
        }
        rescues += fcntl(ends[1], F_GETPIPE_SZ) > before;
        if (!read_all(ends[0])) {
            puts("wrong");
            return 0;
        }
        nanosleep(&moment, NULL); /* what was queued is sent, and the next write made directly */
        after += rescues > 0;
    }
    puts(rescues == 0 ? "never" : rescues == 1 ? "rescued" : "again");
    return 0;
}
