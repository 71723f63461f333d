// SPDX-License-Identifier: MIT
#include "doors/own_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/raw_syscall.h"
#include "base/valgrind.h"

enum {
    WORD_BITS = 64,
    DESCRIPTORS = 256, /* numbers above are not looked at */
    NO_DESCRIPTOR = -1,
    NOT_ONE = -2, /* several, or it cannot be known */
};

/* Copies the 8 bytes at an address that the program gave, if the kernel can read them: it looks at
 * the set before it refuses what it is to be done with it. Unlike process_vm_readv this is allowed
 * under each filter that the library lives with. */
static bool read_word(uint64_t address, uint64_t *word)
{
    enum { NO_SUCH_WAY = -1 };
    if (runs_on_valgrind()) /* it has no such way either, and says so at each call */
        return false;
    if (raw_syscall(SYS_rt_sigprocmask, NO_SUCH_WAY, address, 0, sizeof *word) != -EINVAL)
        return false;
    __builtin_memcpy(word, (const void *)(uintptr_t)address, sizeof *word);
    return true;
}

static int only_of_poll(uint64_t fds, uint64_t count)
{
    union {
        struct pollfd one;
        uint64_t word;
    } entry = {.word = 0};
    _Static_assert(sizeof entry.one == sizeof entry.word, "a pollfd is read as one word");
    if (count == 0)
        return NO_DESCRIPTOR;
    if (count != 1 || !read_word(fds, &entry.word) || (entry.one.events & POLLOUT))
        return NOT_ONE;
    return entry.one.fd < 0 ? NO_DESCRIPTOR : entry.one.fd;
}

/* The descriptor that is waited for to be read, and none to be written. */
static int only_of_select(const uint64_t arguments[WAIT_ARGUMENTS])
{
    int64_t count = (int)arguments[0];
    int only = NO_DESCRIPTOR;
    if (count > DESCRIPTORS)
        return NOT_ONE;
    for (int64_t at = 0; at < count; at += WORD_BITS) {
        for (unsigned set = 0; set < 3; set++) {
            uint64_t address = arguments[1 + set], word = 0;
            uint64_t offset = (uint64_t)at / WORD_BITS * sizeof word;
            if (address != 0 && !read_word(address + offset, &word))
                return NOT_ONE;
            if (count - at < WORD_BITS)
                word &= (1ULL << (count - at)) - 1;
            if (word == 0)
                continue;
            if (set != 0 || only != NO_DESCRIPTOR || (word & (word - 1)) != 0)
                return NOT_ONE;
            only = (int)at + __builtin_ctzll(word);
        }
    }
    return only;
}

static bool is_writing_end(int fd, const struct stat *pipe)
{
    struct stat other;
    if (fd < 0 || raw_syscall(SYS_fstat, fd, &other) != 0 || other.st_ino != pipe->st_ino ||
        other.st_dev != pipe->st_dev)
        return false;
    long flags = raw_syscall(SYS_fcntl, fd, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

/* Both ends are made together and have, as a rule, numbers side by side. */
static bool has_both_ends(int fd)
{
    struct stat pipe;
    if (raw_syscall(SYS_fstat, fd, &pipe) != 0 || !S_ISFIFO(pipe.st_mode))
        return false;
    if (is_writing_end(fd + 1, &pipe) || is_writing_end(fd - 1, &pipe))
        return true;
    for (int other = 0; other < DESCRIPTORS; other++)
        if (is_writing_end(other, &pipe))
            return true;
    return false;
}

bool wait_is_own(enum call_id call, const uint64_t arguments[WAIT_ARGUMENTS])
{
    int only = NOT_ONE;
    if (call == CALL_poll || call == CALL___poll_chk || call == CALL_ppoll ||
        call == CALL___ppoll_chk)
        only = only_of_poll(arguments[0], arguments[1]);
    else if (call == CALL_select || call == CALL_pselect)
        only = only_of_select(arguments);
    return only == NO_DESCRIPTOR || (only >= 0 && has_both_ends(only));
}
