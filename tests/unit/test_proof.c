// SPDX-License-Identifier: MIT
/* What the kernel says of a thread against what its slot says, and what it waits for without one.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "watch/kernel_wait.h"
#include "watch/proof.h"

enum { TRIES = 20000 };

static int fds[2];
static _Atomic int sleeper;
static _Atomic bool stop;

static void wait_a_little(void)
{
    nanosleep(&(struct timespec){0, 1000000}, NULL);
}

static void *sleep_in_read(void *unused)
{
    char byte;
    sleeper = (int)syscall(SYS_gettid);
    while (read(fds[0], &byte, 1) == 1)
        continue;
    return unused;
}

static void *spin(void *unused)
{
    sleeper = (int)syscall(SYS_gettid);
    while (!stop)
        continue;
    return unused;
}

static pthread_t begin(void *(*body)(void *))
{
    pthread_t thread;
    sleeper = 0;
    assert_int_equal(pthread_create(&thread, NULL, body, NULL), 0);
    while (sleeper == 0)
        wait_a_little();
    return thread;
}

static struct slot_record record_of(enum call_id call, uint64_t sp)
{
    return (struct slot_record){
        .sequence = 1, .call = call, .fd = fds[0], .tid = sleeper, .registers = {.sp = sp}};
}

static void test_asleep(void **state)
{
    (void)state;
    struct task_call call = {.status = TASK_RUNNING};
    assert_int_equal(pipe(fds), 0);
    pthread_t thread = begin(sleep_in_read);
    for (int i = 0; i < TRIES && (call.status != TASK_IN_CALL || call.number != SYS_read); i++) {
        wait_a_little();
        call = task_read_call(sleeper);
    }
    assert_int_equal(call.status, TASK_IN_CALL);
    uint64_t sp = call.sp;
    struct slot_record right = record_of(CALL_read, sp + 64);
    assert_int_equal(prove(&right, &call), PROOF_HOLDS);
    /* The frame that it speaks of is gone: the thread jumped out, and sleeps further up. */
    struct slot_record left = record_of(CALL_read, sp - 64);
    assert_int_equal(prove(&left, &call), PROOF_FAILS);
    struct slot_record deep = record_of(CALL_read, sp + 64 * 1024);
    assert_int_equal(prove(&deep, &call), PROOF_FAILS);
    struct slot_record names = record_of(CALL_getaddrinfo, sp + 64 * 1024);
    assert_int_equal(prove(&names, &call), PROOF_HOLDS); /* its callees may use more */
    struct slot_record other = record_of(CALL_write, sp + 64);
    assert_int_equal(prove(&other, &call), PROOF_FAILS);
    struct kernel_wait wait = kernel_wait_of(&call);
    assert_int_equal(wait.class, CLASS_PIPE_READ);
    assert_int_equal(wait.fd, fds[0]);
    close(fds[1]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (int i = 0; i < TRIES && call.status != TASK_GONE; i++) {
        prove(&right, &call);
        wait_a_little();
    }
    assert_int_equal(prove(&right, &call), PROOF_FAILS);
    close(fds[0]);
}

static void test_running(void **state)
{
    (void)state;
    struct task_call call;
    pthread_t thread = begin(spin);
    struct slot_record record = record_of(CALL_write, UINTPTR_MAX);
    assert_int_equal(prove(&record, &call), PROOF_RUNNING);
    stop = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_copy(void **state)
{
    static struct slot slot = {.sequence = 2, .call = CALL_write, .fd = 7, .tid = 9, .detail = 11};
    struct slot_record record;
    (void)state;
    assert_false(slot_copy(&slot, &record)); /* in no call */
    slot.sequence = 3;
    assert_true(slot_copy(&slot, &record));
    assert_int_equal(record.sequence, 3);
    assert_int_equal(record.call, CALL_write);
    assert_int_equal(record.fd, 7);
    assert_int_equal(record.tid, 9);
    assert_int_equal(record.detail, 11);
    slot_enter(&slot, CALL_read, 8, 12);
    assert_true(slot_copy(&slot, &record));
    assert_int_equal(record.sequence, 5);
    assert_int_equal(record.call, CALL_read);
    assert_true(record.registers.sp != 0);
    slot_leave(&slot);
    assert_false(slot_copy(&slot, &record));
}

static void test_waits(void **state)
{
    static const struct {
        struct task_call call;
        enum call_class class;
        int fd;
        uint64_t detail;
    } rows[] = {
        {{.number = SYS_write, .arguments = {3, 1, 500}}, CLASS_PIPE_WRITE, 3, 500},
        {{.number = SYS_wait4, .arguments = {42}}, CLASS_CHILD, -1, 42},
        {{.number = SYS_wait4, .arguments = {UINT64_MAX}}, CLASS_CHILD, -1, UINT64_MAX},
        {{.number = SYS_waitid, .arguments = {P_PID, 42}}, CLASS_CHILD, -1, 42},
        {{.number = SYS_waitid, .arguments = {P_ALL, 42}}, CLASS_CHILD, -1, UINT64_MAX},
        {{.number = SYS_epoll_pwait, .arguments = {5}}, CLASS_POLL, -1, UINT64_MAX - 1},
        {{.number = 100000}, CLASS_OTHER, -1, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct kernel_wait wait = kernel_wait_of(&rows[i].call);
        assert_int_equal(wait.class, rows[i].class);
        assert_int_equal(wait.fd, rows[i].fd);
        if (rows[i].detail != UINT64_MAX - 1)
            assert_int_equal(wait.detail, rows[i].detail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asleep),
        cmocka_unit_test(test_running),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
