// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are a program's memory, and it waits in poll or select: which
// descriptors for is read from there. Byte 0 chooses the call, 1 to 7 its arguments.
//   make fuzz [FUZZ_SECONDS=60]
#include <poll.h>
#include <string.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include "kernel/wait_set.h"
#include "seeds.h"
#include "watch/readiness_set.h"

enum { IMAGE = 0x100000, CONTROL = 8 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct {
        uint8_t control[CONTROL];
        union {
            struct pollfd poll[40];
            fd_set select[2];
        } memory;
    } seed;
    (void)argc;
    (void)argv;
    seed.control[1] = 40;
    for (int i = 0; i < 40; i++)
        seed.memory.poll[i] = (struct pollfd){i % 7 - 1, POLLIN | (i % 2 ? POLLOUT : 0), 0};
    write_seed(0, &seed, sizeof seed);
    memset(&seed.memory, 0, sizeof seed.memory);
    seed.control[0] = 1;
    seed.control[1] = 100;
    seed.control[3] = sizeof(fd_set) / 8;
    FD_SET(7, &seed.memory.select[0]);
    FD_SET(99, &seed.memory.select[1]);
    write_seed(1, &seed, sizeof seed);
    return 0;
}

struct visits {
    unsigned count, limit;
    int most; /* descriptors of a select are less than this; -1: of a poll */
};

static bool visit(void *context, int fd, unsigned waits_for)
{
    struct visits *visits = context;
    if (fd < 0 || waits_for > (WAIT_FOR_INPUT | WAIT_FOR_SPACE) ||
        (visits->most >= 0 && (fd >= visits->most || waits_for == 0)))
        abort();
    return ++visits->count < visits->limit;
}

static void check_set(const struct readiness_set *set)
{
    if (set->count > READINESS_SET_LIMIT || (!set->known && set->count != 0 && set->epoll_fd < 0))
        abort();
    for (unsigned i = 0; i < set->count; i++)
        if (set->entry[i].fd < 0)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < CONTROL)
        return 0;
    struct memory_reader memory = memory_reader_image(data + CONTROL, IMAGE, size - CONTROL);
    struct task_call call = {.status = TASK_IN_CALL};
    struct visits visits = {.limit = data[6] ? data[6] : UINT32_MAX, .most = -1};
    uint64_t count = data[1] | (uint64_t)(data[2] & 0x0f) << 8;
    if (data[2] & 0x80)
        count = UINT64_MAX - data[1];
    const uint64_t sets[2] = {data[5] & 1 ? 0 : IMAGE + data[3] * 8ULL * (data[5] >> 1 & 1),
                              data[5] & 4 ? 0 : IMAGE + data[3] * 8ULL};
    if (data[0] & 1) {
        visits.most = SELECT_LIMIT;
        if (select_sets_each(&memory, count, sets, visit, &visits) && count > SELECT_LIMIT)
            abort();
        call.number = SYS_pselect6;
        call.arguments[0] = count;
        memcpy(&call.arguments[1], sets, sizeof sets);
    } else {
        uint64_t address = IMAGE + data[3];
        /* No process has more than NR_OPEN entries; the kernel refuses the call. */
        if (count <= 1U << 20)
            poll_array_each(&memory, address, count, visit, &visits);
        call.number = SYS_ppoll;
        call.arguments[0] = address;
        call.arguments[1] = count;
    }
    struct readiness_set set = readiness_set_read(&memory, &call);
    check_set(&set);
    return 0;
}
