// SPDX-License-Identifier: MIT
/* The journal's protocol, spoken to a socket of the test's own. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "report/journal_record.h"
#include "report/log_journal.h"
#include "report/log_queue.h"

enum { LARGE = 1 << 20 };
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int daemon_socket;
static char large[LARGE], got[LARGE];

static int set_up(void **state)
{
    (void)state;
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/pipeshim-journal-%d", getpid());
    daemon_socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(daemon_socket, (struct sockaddr *)&address, sizeof address), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(daemon_socket);
    unlink(address.sun_path);
    return 0;
}

static void test_nobody_listens(void **state)
{
    struct iovec piece = {(void *)"A=1\n", 4};
    (void)state;
    assert_int_equal(log_journal_look(address.sun_path), 0);
    assert_int_equal(log_journal_look("/nonexistent/socket"), -ENOENT);
    long result = log_journal_send("/nonexistent/socket", &piece, 1);
    assert_int_equal(result, -ENOENT);
    assert_true(log_journal_is_away(result));
    assert_false(log_journal_is_away(-EMSGSIZE));
}

static void test_two_pieces_are_one_datagram(void **state)
{
    struct iovec pieces[] = {{(void *)"MESSAGE=a", 9}, {(void *)"b\n", 2}};
    (void)state;
    assert_int_equal(log_journal_send(address.sun_path, pieces, 2), 0);
    assert_int_equal(recv(daemon_socket, got, sizeof got, 0), 11);
    assert_memory_equal(got, "MESSAGE=ab\n", 11);
}

/* More than the kernel takes as a datagram: a file that nobody can change any more. */
static void test_a_large_record_is_a_sealed_file(void **state)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    char nothing[16];
    struct iovec into = {nothing, sizeof nothing};
    struct msghdr message = {.msg_iov = &into,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    int file;
    (void)state;
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)(i * 31);
    struct iovec pieces[] = {{large, 1000}, {large + 1000, sizeof large - 1000}};
    assert_int_equal(log_journal_send(address.sun_path, pieces, 2), 0);
    assert_int_equal(recvmsg(daemon_socket, &message, MSG_CMSG_CLOEXEC), 0);
    assert_int_equal(control.header.cmsg_type, SCM_RIGHTS);
    memcpy(&file, CMSG_DATA(&control.header), sizeof file);
    assert_int_equal(fcntl(file, F_GET_SEALS) & seals, seals);
    assert_int_equal(pread(file, got, sizeof got, 0), sizeof got);
    assert_memory_equal(got, large, sizeof got);
    close(file);
}

static void test_a_full_socket_does_not_wait(void **state)
{
    struct iovec piece = {large, 100};
    long result = 0;
    (void)state;
    for (int i = 0; i < 100000 && result == 0; i++)
        result = log_journal_send(address.sun_path, &piece, 1);
    assert_int_equal(result, -EAGAIN);
    while (recv(daemon_socket, got, sizeof got, MSG_DONTWAIT) >= 0) {
    }
}

static void test_stream(void **state)
{
    struct stat file = {.st_dev = 8, .st_ino = 77};
    char *same[] = {(char *)"A=1", (char *)"JOURNAL_STREAM=8:77", NULL};
    char *wrong[][2] = {{(char *)"JOURNAL_STREAM=8:78", NULL},
                        {(char *)"JOURNAL_STREAM=8:77x", NULL},
                        {(char *)"JOURNAL_STREAM=877", NULL},
                        {(char *)"JOURNAL_STREAM=", NULL},
                        {(char *)"JOURNAL_STREAMS=8:77", NULL}};
    (void)state;
    assert_true(log_journal_is_stream(same, &file));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(log_journal_is_stream(wrong[i], &file));
    assert_false(log_journal_is_stream(NULL, &file));
}

/* A newline in a name must not become a field. */
static void test_fields_of_any_bytes(void **state)
{
    static char bytes[1000];
    static struct journal_facts facts = {.class = "pipe_write", .place = {.line = 3}};
    static const char lines[] = "{\"a\":1}\ntwo\nlines\n";
    static const char expected[] = "CODE_FILE\n\7\0\0\0\0\0\0\0a\nUID=0\nCODE_LINE=3\n";
    struct text_buffer record;
    (void)state;
    strcpy(facts.place.file, "a\nUID=0");
    text_init(&record, bytes, sizeof bytes);
    journal_record(&record, "deadlock", 7, &facts, lines, sizeof lines - 1);
    assert_false(record.truncated);
    assert_non_null(memmem(bytes, record.length, "PRIORITY=3\n", 11));
    assert_non_null(memmem(bytes, record.length, "PIPESHIM_SEQ=7\n", 15));
    assert_non_null(memmem(bytes, record.length, expected, sizeof expected - 1));
    assert_non_null(memmem(bytes, record.length, "PIPESHIM_JSON={\"a\":1}\n", 22));
    assert_memory_equal(bytes + record.length - 26, "MESSAGE\n\t\0\0\0\0\0\0\0two\nlines\n", 26);
}

static void prefixed(const char *text, size_t capacity, const char *expected)
{
    char bytes[64];
    struct text_buffer buffer;
    text_init(&buffer, bytes, capacity);
    text_string(&buffer, text);
    journal_prefix_lines(&buffer, 4);
    assert_string_equal(bytes, expected);
    assert_int_equal(buffer.length, strlen(expected));
}

static void test_prefixes(void **state)
{
    (void)state;
    prefixed("one\n", 64, "<4>one\n");
    prefixed("one\n\ntwo\n", 64, "<4>one\n<4>\n<4>two\n");
    prefixed("one\ntwo\n", 12, "<4>one\n");
    prefixed("one\ntwo\n", 16, "<4>one\n<4>two\n");
    prefixed("", 64, "");
}

/* Records with their size, where the end of the memory cuts them in two. */
static void test_pieces_of_a_queue(void **state)
{
    static char filler[255 * 1024];
    struct iovec pieces[2], parts[2];
    uint32_t size = 3000, header;
    (void)state;
    assert_true(log_queue_add(filler, sizeof filler));
    log_queue_taken(sizeof filler);
    assert_true(log_queue_add((const char *)&size, sizeof size) && log_queue_add(large, size));
    assert_true(log_queue_add("next", 4));
    int count = log_queue_peek(pieces);
    assert_int_equal(count, 2);
    log_queue_copy(&header, sizeof header);
    assert_int_equal(header, size);
    assert_int_equal(log_queue_cut(pieces, count, sizeof header, header, parts), 2);
    assert_int_equal(parts[0].iov_len + parts[1].iov_len, size);
    assert_memory_equal(parts[0].iov_base, large, parts[0].iov_len);
    assert_memory_equal(parts[1].iov_base, large + parts[0].iov_len, parts[1].iov_len);
    log_queue_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_two_pieces_are_one_datagram),
        cmocka_unit_test(test_a_large_record_is_a_sealed_file),
        cmocka_unit_test(test_a_full_socket_does_not_wait),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_fields_of_any_bytes),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_pieces_of_a_queue),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
