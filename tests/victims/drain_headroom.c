// SPDX-License-Identifier: MIT
/*
 * A write that the drainer lets pass untested, because the pipe was empty, and that finds no room:
 * each record that vmsplice() brings takes one of the pipe's 16 buffers. Both ends are this
 * program's, which reads only between two tries; without a rescue it hangs.
 *
 * Ends with "rescued" once the pipe was made larger, or "never"; "wrong" if a record is not the one
 * that is due.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { RECORD = 64, BUFFERS = 16, USUAL = 65536, DEADLINE_S = 10 };

static uint64_t written, seen;
static uint64_t pages[BUFFERS][RECORD / sizeof(uint64_t)];

static int write_one(int fd)
{
    uint64_t record[RECORD / sizeof(uint64_t)] = {written++};
    return write(fd, record, RECORD) == RECORD;
}

/* All buffers but the first. */
static int fill(int fd)
{
    struct iovec records[BUFFERS - 1];
    for (int i = 0; i < BUFFERS - 1; i++) {
        pages[i][0] = written++;
        records[i] = (struct iovec){pages[i], RECORD};
    }
    return vmsplice(fd, records, BUFFERS - 1, 0) == RECORD * (BUFFERS - 1);
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

int main(void)
{
    int ends[2];
    struct timespec moment = {0, 1000000};
    time_t end = time(NULL) + DEADLINE_S;
    if (pipe(ends) != 0)
        return 1;
    while (time(NULL) < end) {
        int good = write_one(ends[1]) && fill(ends[1]) && write_one(ends[1]);
        int rescued = fcntl(ends[1], F_GETPIPE_SZ) > USUAL;
        good = good && read_all(ends[0]);
        if (!good || rescued) {
            puts(good ? "rescued" : "wrong");
            return 0;
        }
        nanosleep(&moment, NULL);
    }
    puts("never");
    return 0;
}
