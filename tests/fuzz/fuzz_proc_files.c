// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are a file or a link of /proc, as a process can make it by its name
// (comm), its files' names and its control group; or what the kernel answers of a socket.
//   make fuzz [FUZZ_SECONDS=60]
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/status/cgroup.h"
#include "kernel/memory_limit.h"
#include "kernel/proc_text.h"
#include "kernel/socket_peers.h"
#include "kernel/status.h"
#include "seeds.h"

static const char *const seeds[] = {
    "1234 (a (b) c) S 1 1234 1234 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 3 0 4711 8192 100",
    "0 0x1 0x7ffd 0x10 0x0 0x0 0x0 0x7ffd12345678 0x7f0012345678",
    "x (7, #threads: 1)\n---\nse.exec_start                     :       4711.123456\n",
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
    "Name:\tx\nState:\tS (sleeping)\nPid:\t12\nUid:\t0\t1\t2\t3\nGroups:\t4 24\nNSpid:\t12\t1\n"
    "SigBlk:\t0000000000000200\nvoluntary_ctxt_switches:\t7\n",
    "0::/system.slice/"
    "docker-3f1c92ab77e0aaaabbbbccccddddeeeeffff0000111122223333444455556666.scope\n",
    "0::/user.slice/user-0.slice/session-12.scope\n",
};

static char path[64];
static int file = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct {
        struct nlmsghdr header;
        struct unix_diag_msg body;
        struct rtattr name;
        char bytes[12];
        struct rtattr peer;
        uint32_t inode;
    } answer = {.header = {.nlmsg_len = sizeof answer},
                .name = {.rta_type = UNIX_DIAG_NAME, .rta_len = sizeof answer.name + 9},
                .bytes = "/run/sock",
                .peer = {.rta_type = UNIX_DIAG_PEER, .rta_len = sizeof answer.peer + 4}};
    (void)argc;
    (void)argv;
    for (unsigned i = 0; i < sizeof seeds / sizeof *seeds; i++)
        write_seed(i, seeds[i], strlen(seeds[i]));
    write_seed(sizeof seeds / sizeof *seeds, &answer, sizeof answer);
    answer.peer = (struct rtattr){.rta_type = UNIX_DIAG_NAME, .rta_len = sizeof answer.peer + 9};
    write_seed(sizeof seeds / sizeof *seeds + 1, &answer, sizeof answer); /* beyond its end */
    file = memfd_create("status", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return file < 0;
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

static void read_map(const char *text)
{
    struct map_line map;
    if (parse_map(text, &map) && (map.path < text || map.path > text + strlen(text)))
        abort();
}

/* The file that is read as a stream: fields of all kinds, twice in one line, and a hash. */
static void read_status(const uint8_t *data, size_t size)
{
    struct status_field fields[] = {
        {.name = "Pid", .base = 10},
        {.name = "NSpid", .base = 10},
        {.name = "SigBlk", .base = 16},
        {.name = "Uid", .base = 10, .nth = 1},
        {.name = "Uid", .base = 10, .nth = 4},
        {.name = "State", .base = STATUS_LETTER},
        {.name = "Groups", .base = STATUS_WHOLE},
    };
    if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size)
        abort();
    bool all = fields_read(path, fields, sizeof fields / sizeof *fields);
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++)
        if (all && !fields[i].found)
            abort();
}

/* Of just that size: AddressSanitizer sees one byte more. */
static void read_answer(const uint8_t *data, size_t size)
{
    struct unix_socket socket = {0};
    char *answer = as_string(data, size);
    unix_socket_answer(&socket, answer, size);
    unix_socket_full(&socket);
    is_terminated(socket.name, sizeof socket.name);
    free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = as_string(data, size);
    struct stat_line stat;
    struct syscall_line call;
    struct inet_line inet;
    struct cgroup_names names;
    uint64_t first, second;
    int64_t value;
    if (parse_stat(text, &stat))
        is_terminated(stat.comm, sizeof stat.comm);
    parse_syscall(text, &call);
    parse_schedstat(text, &first, &second);
    parse_exec_start(text, &first);
    parse_statm(text, &first, &second);
    parse_last_number(text, &first);
    parse_field(text, "Pid:", &value);
    parse_field(text, "voluntary_ctxt_switches:", &value);
    parse_link(text, &first);
    read_map(text);
    parse_inet(text, &inet);
    read_lists(text);
    cgroup_parse(text, &names);
    is_terminated(names.unit, sizeof names.unit);
    is_terminated(names.container, sizeof names.container);
    memory_limit_of(text);
    free(text);
    read_answer(data, size);
    read_status(data, size);
    return 0;
}
