// SPDX-License-Identifier: MIT
#include "drain/page_batch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>

#include "base/raw_syscall.h"
#include "drain/channel.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { PAGES = 16 }; /* what a pipe has slots for, if nobody made it larger */

/* The helper's own: no process is forked from it. child: scratch */
static _Alignas(PIPE_BUF) char pages[PAGES][PIPE_BUF];
static struct iovec parts[PAGES];
static uint64_t begins[PAGES + 1]; /* in the queue; a page ends where the next one begins */
static unsigned limit, count, sent, spliced;
static bool allowed;

void page_batch_allow(void)
{
    allowed = drain_limits.page == PIPE_BUF; /* else a page would be shared by several */
}

bool page_batch_allowed(void)
{
    return allowed;
}

bool page_batch_begin(unsigned most)
{
    enum { LEAST = 2 };
    count = sent = 0;
    limit = most < PAGES ? most : PAGES;
    return limit >= LEAST;
}

char *page_batch_add(uint32_t size, uint64_t at)
{
    if (count == 0 || parts[count - 1].iov_len + size > PIPE_BUF) {
        if (count == limit)
            return 0;
        parts[count] = (struct iovec){pages[count], 0};
        begins[count++] = at;
    }
    struct iovec *part = &parts[count - 1];
    char *to = (char *)part->iov_base + part->iov_len;
    part->iov_len += size;
    return to;
}

void page_batch_end(uint64_t at)
{
    begins[count] = at;
}

uint32_t page_batch_send(int fd, uint64_t *sent_to)
{
    long result =
        allowed ? raw_syscall(SYS_vmsplice, fd, &parts[sent], count - sent, SPLICE_F_NONBLOCK) : 0;
    if (result < 0 && result != -EAGAIN && result != -EINTR)
        allowed = false; /* a socket; or write() tells what is wrong */
    if (result <= 0)
        return 0;
    for (long left = result; left > 0 && sent < count; sent++)
        left -= (long)parts[sent].iov_len;
    spliced = sent;
    *sent_to = begins[sent];
    return (uint32_t)result;
}

struct iovec page_batch_next(uint64_t *sent_to)
{
    *sent_to = begins[sent + 1];
    return parts[sent++];
}

void page_batch_renew(void)
{
    if (spliced == 0)
        return;
    uint64_t size = (uint64_t)spliced * PIPE_BUF;
    raw_syscall(SYS_madvise, pages, size, MADV_DONTNEED);
    raw_syscall(SYS_madvise, pages, size,
                MADV_POPULATE_WRITE); /* at once is cheaper than one by one */
    spliced = 0;
}
