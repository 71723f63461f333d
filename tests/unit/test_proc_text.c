// SPDX-License-Identifier: MIT
/* The parsers of /proc's text: what the kernel writes, and what it never would. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/proc_text.h"

static const char stat_text[] =
    "2707 (engine) S 2210 2707 2210 34816 2707 4194304 100 0 0 0 1 2 0 0 20 0 9 0 123456 1000 200 "
    "18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0\n";

static void stat_lines(void **state)
{
    (void)state;
    struct stat_line line;
    assert_true(parse_stat(stat_text, &line));
    assert_int_equal(line.pid, 2707);
    assert_string_equal(line.comm, "engine");
    assert_int_equal(line.state, 'S');
    assert_int_equal(line.parent, 2210);
    assert_int_equal(line.group, 2707);
    assert_int_equal(line.session, 2210);
    assert_int_equal(line.thread_count, 9);
    assert_int_equal(line.start_ticks, 123456);
    assert_int_equal(line.end_signal, 17);
    assert_int_equal(line.cpu, 1);
    assert_false(line.kernel_thread);
    assert_false(line.killed);
    /* A program may choose a name that looks like the rest of the line. */
    assert_true(
        parse_stat("7 (a) R 1 (b) T 3 4 5 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 9 ", &line));
    assert_string_equal(line.comm, "a) R 1 (b");
    assert_int_equal(line.state, 'T');
    assert_int_equal(line.parent, 3);
    assert_true(line.kernel_thread);
    assert_int_equal(line.end_signal, SIGCHLD); /* where the text is cut off */
    assert_int_equal(line.cpu, -1);
    assert_true(parse_stat("7 () S 3 4 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9", &line));
    assert_string_equal(line.comm, "");
    assert_false(parse_stat("", &line));
    assert_false(parse_stat("7 (sh", &line));
    assert_false(parse_stat("7 (sh)", &line));
    assert_false(parse_stat("7 (sh) S 1", &line));
    assert_false(parse_stat("99999999999999999999 (sh) S 1 1 1", &line));
}

static void sched_files(void **state)
{
    (void)state;
    uint64_t ns = 0;
    assert_true(parse_exec_start("a (7, #threads: 1)\n-----\n"
                                 "se.exec_start                                :     4711.012345\n"
                                 "se.vruntime                                  :        9.000000\n",
                                 &ns));
    assert_int_equal(ns, 4711012345);
    /* A thread may have that name itself. */
    assert_true(
        parse_exec_start("se.exec_start (7, #threads: 3)\nse.exec_start : 2.000001\n", &ns));
    assert_int_equal(ns, 2000001);
    assert_false(parse_exec_start("se.exec_start (7, #threads: 3)\n", &ns));
    assert_false(parse_exec_start("\nse.exec_start: (7, #threads: 3)\n", &ns));
    assert_false(parse_exec_start("", &ns));
}

/* From the moment of kill(2) on, in whichever state its end is. */
static void killed(void **state)
{
    (void)state;
    static const struct {
        const char *flags, *pending;
        bool killed;
    } cases[] = {
        {"4194304", "0", false},    {"4194304", "256", true}, /* SIGKILL */
        {"4194304", "8192", false},                           /* SIGALRM */
        {"4195328", "0", true},                               /* it was taken */
        {"4194308", "0", true},                               /* the process ends */
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        struct stat_line line;
        snprintf(
            text, sizeof text,
            "7 (sh) R 1 7 7 0 -1 %s 0 0 0 0 0 0 0 0 20 0 1 0 9 1000 200 1 0 0 0 0 0 %s 0 0 0 0 "
            "0 0 17 1\n",
            cases[i].flags, cases[i].pending);
        assert_true(parse_stat(text, &line));
        assert_int_equal(line.killed, cases[i].killed);
        assert_int_equal(line.end_signal, 17);
    }
}

static void syscall_lines(void **state)
{
    (void)state;
    struct syscall_line line;
    assert_true(parse_syscall("1 0x2 0x7ffe00001000 0x2a 0x0 0xffffffffffffffff 0x1 0x7ffe0000 "
                              "0x7f22099af2ad\n",
                              &line));
    assert_true(line.in_call);
    assert_int_equal(line.number, 1);
    assert_int_equal(line.arguments[0], 2);
    assert_int_equal(line.arguments[4], UINT64_MAX);
    assert_int_equal(line.stack_pointer, 0x7ffe0000);
    assert_true(parse_syscall("running\n", &line));
    assert_true(line.running);
    assert_true(parse_syscall("-1 0x7ffe0000 0x7f22099af2ad\n", &line));
    assert_false(line.in_call || line.running);
    assert_false(parse_syscall("1 0x2 0x3\n", &line));
    assert_false(parse_syscall("", &line));
}

static void links(void **state)
{
    (void)state;
    static const struct {
        const char *link;
        enum link_kind kind;
        uint64_t inode;
    } cases[] = {
        {"pipe:[81723]", LINK_PIPE, 81723},
        {"socket:[99]", LINK_SOCKET, 99},
        {"anon_inode:[eventpoll]", LINK_EPOLL, 0},
        {"anon_inode:[pidfd]", LINK_PIDFD, 0},
        {"pidfd:[12]", LINK_PIDFD, 12},
        {"anon_inode:[io_uring]", LINK_URING, 0},
        {"anon_inode:[eventfd]", LINK_ANON, 0},
        {"/dev/pts/3", LINK_TTY, 0},
        {"/dev/tty", LINK_TTY, 0},
        {"/dev/pts/ptmx", LINK_PTY_MASTER, 0},
        {"/dev/null", LINK_DEVICE, 0},
        {"/dev/shm/x", LINK_PATH, 0},
        {"/tmp/pipe:[1]", LINK_PATH, 0},
        {"/tmp/x (deleted)", LINK_PATH, 0},
        {"pipe:[", LINK_OTHER, 0},
        {"pipe:[1]x", LINK_OTHER, 0},
        {"", LINK_OTHER, 0},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t inode;
        assert_int_equal(parse_link(cases[i].link, &inode), cases[i].kind);
        assert_int_equal(inode, cases[i].inode);
    }
}

static void fields(void **state)
{
    (void)state;
    int64_t value;
    const char text[] = "Name:\tx\nxPid:\t7\nPid:\t-1\nvoluntary_ctxt_switches:\t12\n";
    assert_true(parse_field(text, "Pid:", &value));
    assert_int_equal(value, -1);
    assert_true(parse_field(text, "voluntary_ctxt_switches:", &value));
    assert_int_equal(value, 12);
    assert_false(parse_field(text, "Name:", &value));
    assert_false(parse_field("", "Pid:", &value));
}

static void epoll_sets(void **state)
{
    (void)state;
    const char text[] =
        "pos:\t0\nflags:\t02\ntfd:        7 events:       19 data:                7  pos:0 "
        "ino:b71f sdev:8\ntfd: 9 events: 4 data: ffffffffffffffff\nlock: x\n";
    const char *cursor = text;
    struct epoll_line line;
    assert_true(parse_epoll(&cursor, &line));
    assert_int_equal(line.fd, 7);
    assert_int_equal(line.events, 0x19);
    assert_int_equal(line.inode, 0xb71f);
    assert_true(parse_epoll(&cursor, &line)); /* a kernel that prints no inode */
    assert_int_equal(line.fd, 9);
    assert_int_equal(line.inode, 0);
    assert_false(parse_epoll(&cursor, &line));
}

static void locks(void **state)
{
    (void)state;
    const char text[] = "1: FLOCK  ADVISORY  WRITE 708 08:02:1234 0 EOF\n"
                        "1: -> FLOCK  ADVISORY  WRITE 709 08:02:1234 0 EOF\n"
                        "2: OFDLCK ADVISORY  READ -1 fd:0a:99 0 EOF\nnonsense\n";
    const char *cursor = text;
    struct lock_line line;
    assert_true(parse_lock(&cursor, &line));
    assert_int_equal(line.pid, 708);
    assert_int_equal(line.major, 8);
    assert_int_equal(line.inode, 1234);
    assert_false(line.waits);
    assert_true(parse_lock(&cursor, &line));
    assert_int_equal(line.pid, 709);
    assert_true(line.waits);
    assert_true(parse_lock(&cursor, &line));
    assert_int_equal(line.pid, -1);
    assert_int_equal(line.minor, 0x0a);
    assert_false(parse_lock(&cursor, &line));
}

static void inet_sockets(void **state)
{
    (void)state;
    struct inet_line line;
    static const uint8_t loopback[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
    assert_true(parse_inet("   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 "
                           "00000000     0        0 46881 1 0 100 0 0 10 0",
                           &line));
    assert_memory_equal(line.local, loopback, 16);
    assert_int_equal(line.local_port, 8080);
    assert_int_equal(line.remote_port, 50000);
    assert_int_equal(line.state, 1);
    assert_int_equal(line.inode, 46881);
    assert_true(parse_inet("  12: 0000000000000000FFFF00000100007F:1F90 "
                           "0000000000000000FFFF00000100007F:C350 01 00000000:00000000 "
                           "00:00000000 00000000     0        0 46882 1",
                           &line));
    assert_memory_equal(line.local, loopback, 16); /* the same host, seen by an IPv6 socket */
    assert_int_equal(line.inode, 46882);
    assert_false(parse_inet("  sl  local_address rem_address   st tx_queue rx_queue", &line));
}

static void maps(void **state)
{
    (void)state;
    struct map_line line;
    assert_true(parse_map("7f21a000-7f21c000 rw-p 00000000 00:00 0 [heap]", &line));
    assert_int_equal(line.start, 0x7f21a000);
    assert_int_equal(line.end, 0x7f21c000);
    assert_false(line.shared || line.executable);
    assert_string_equal(line.path, "[heap]");
    assert_true(parse_map("1-2 rw-s 0", &line));
    assert_true(line.shared);
    assert_string_equal(line.path, "");
    assert_true(
        parse_map("1-2 r-xp 0001f000 08:01 42                 /lib/a b.so (deleted)", &line));
    assert_true(line.executable && line.offset == 0x1f000);
    assert_string_equal(line.path, "/lib/a b.so (deleted)");
    assert_true(parse_map("1-2 rw-p 0 00:00 0 ", &line));
    assert_string_equal(line.path, "");
    assert_false(parse_map("1-2 rw-p", &line));
    assert_false(parse_map("1-2 rw", &line));
    assert_false(parse_map("1-2", &line));
}

static void parse_everything(const char *text)
{
    struct stat_line stat;
    struct syscall_line call;
    struct epoll_line epoll;
    struct lock_line lock;
    struct inet_line inet;
    struct map_line map;
    int64_t value;
    uint64_t inode;
    parse_stat(text, &stat);
    parse_syscall(text, &call);
    parse_field(text, "Pid:", &value);
    parse_link(text, &inode);
    for (const char *cursor = text; parse_epoll(&cursor, &epoll);)
        ;
    for (const char *cursor = text; parse_lock(&cursor, &lock);)
        ;
    parse_inet(text, &inet);
    parse_map(text, &map);
}

/* Each text ends at a page that cannot be read: one byte too far is a crash. */
static void any_bytes(void **state)
{
    (void)state;
    static const char *const seeds[] = {
        stat_text,
        "1 0x2 0x7ffe00001000 0x2a 0x0 0xffffffffffffffff 0x1 0x7ffe0000 0x7f22099af2ad\n",
        "tfd:        7 events:       19 data:                7  pos:0 ino:b71f sdev:8\n",
        "1: -> FLOCK  ADVISORY  WRITE 709 08:02:1234 0 EOF\n",
        "12: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:C350 01 0:0 "
        "00:0 0 0 0 46882 1",
        "7f21a000-7f21c000 rw-p 00000000 00:00 0",
        "Pid:\t7\nx\nPid:",
        "pipe:[81723]",
    };
    long page = sysconf(_SC_PAGESIZE);
    char *memory =
        mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    assert_int_equal(mprotect(memory + page, (size_t)page, PROT_NONE), 0);
    unsigned random = 1;
    for (unsigned round = 0; round < 60000; round++) {
        const char *seed = seeds[round % (sizeof seeds / sizeof *seeds)];
        size_t length = strlen(seed);
        size_t kept = (random = random * 1103515245 + 12345) >> 16 & 1
                          ? length
                          : (random >> 8) % (length + 1);
        char *text = memory + page - kept - 1;
        memcpy(text, seed, kept);
        text[kept] = '\0';
        for (unsigned changes = random >> 20 & 3; changes > 0 && kept > 0; changes--) {
            random = random * 1103515245 + 12345;
            text[(random >> 8) % kept] = (char)(random >> 24);
        }
        parse_everything(text);
    }
    munmap(memory, (size_t)page * 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stat_lines),   cmocka_unit_test(killed),
        cmocka_unit_test(sched_files),  cmocka_unit_test(syscall_lines),
        cmocka_unit_test(links),        cmocka_unit_test(fields),
        cmocka_unit_test(epoll_sets),   cmocka_unit_test(locks),
        cmocka_unit_test(inet_sockets), cmocka_unit_test(maps),
        cmocka_unit_test(any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
