// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are a file or a link of /proc, as a process can make it by its name
// (comm), its files' names and its control group.
//   make fuzz [FUZZ_SECONDS=60]
#include <string.h>

#include "cli/status/cgroup.h"
#include "kernel/proc_text.h"
#include "seeds.h"

static const char *const seeds[] = {
    "1234 (a (b) c) S 1 1234 1234 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 3 0 4711 8192 100",
    "0 0x1 0x7ffd 0x10 0x0 0x0 0x0 0x7ffd12345678 0x7f0012345678",
    "running\n",
    "-1 0x7ffd12345678 0x7f0012345678",
    "1234567 89 10\n",
    "tfd:        5 events:       19 data:                5  pos:0 ino:61 sdev:9\n",
    "1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF\n1: -> FLOCK ADVISORY WRITE 4712 08:01:1 0 "
    "EOF\n",
    "7f0000000000-7f0000001000 r-xp 00000000 08:01 42                         /lib/x.so "
    "(deleted)\n",
    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
    "4711",
    "   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 "
    "0 0 0 42",
    "pipe:[4711]",
    "anon_inode:[eventpoll]",
    "Name:\tx\nPid:\t12\nvoluntary_ctxt_switches:\t7\n",
    "0::/system.slice/"
    "docker-3f1c92ab77e0aaaabbbbccccddddeeeeffff0000111122223333444455556666.scope\n",
    "0::/user.slice/user-0.slice/session-12.scope\n",
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (unsigned i = 0; i < sizeof seeds / sizeof *seeds; i++)
        write_seed(i, seeds[i], strlen(seeds[i]));
    return 0;
}

static void is_terminated(const char *text, size_t size)
{
    if (!memchr(text, '\0', size))
        abort();
}

static void read_lists(const char *text)
{
    struct epoll_line epoll;
    struct lock_line lock;
    const char *at = text, *before = NULL;
    while (parse_epoll(&at, &epoll)) {
        if (at == before)
            abort(); /* it would never end */
        before = at;
    }
    at = text;
    before = NULL;
    while (parse_lock(&at, &lock)) {
        if (at == before)
            abort();
        before = at;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = as_string(data, size);
    struct stat_line stat;
    struct syscall_line call;
    struct map_line map;
    struct inet_line inet;
    struct cgroup_names names;
    uint64_t first, second;
    int64_t value;
    if (parse_stat(text, &stat))
        is_terminated(stat.comm, sizeof stat.comm);
    parse_syscall(text, &call);
    parse_schedstat(text, &first, &second);
    parse_statm(text, &first, &second);
    parse_last_number(text, &first);
    parse_field(text, "Pid:", &value);
    parse_field(text, "voluntary_ctxt_switches:", &value);
    parse_link(text, &first);
    parse_map(text, &map);
    parse_inet(text, &inet);
    read_lists(text);
    cgroup_parse(text, &names);
    is_terminated(names.unit, sizeof names.unit);
    is_terminated(names.container, sizeof names.container);
    free(text);
    return 0;
}
