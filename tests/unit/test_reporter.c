// SPDX-License-Identifier: MIT
/* What cannot be reported now is reported later, and what is lost is counted. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/seccomp.h>

#include <cmocka.h>

#include "base/clock.h"
#include "process/life.h"
#include "report/reporter.h"
#include "report/summary.h"
#include "reporter_case.h"

static int set_up(void **state)
{
    (void)state;
    reporter_begin();
    return 0;
}

static void test_a_report_that_cannot_be_made_now(void **state)
{
    static struct incident incident = {.fd = 1, .class = CLASS_PIPE_WRITE, .call = "write"};
    (void)state;
    assert_true(life_reporting_begin(0)); /* another thread speaks, and does not end */
    struct report_ref report = report_blocked(&incident);
    assert_true(report.deferred);
    assert_int_equal(report.seq, 0);
    assert_false(report_unblocked(1, &report, 1));
    life_reporting_end();
    report = report_blocked(&incident);
    assert_false(report.deferred);
    assert_true(report.seq > 0);
    assert_true(report_unblocked(1, &report, 1));
    const char *log = reporter_log();
    assert_non_null(strstr(log, "\"event\":\"blocked\""));
    assert_non_null(strstr(log, "\"dropped\":2"));
    assert_non_null(strstr(log, "\"event\":\"unblocked\""));
}

static sigjmp_buf back;

static void jump_out(int number)
{
    (void)number;
    siglongjmp(back, 1);
}

/* A handler that jumps comes after the line, not into it: else no line would ever follow. */
static void test_a_signal_does_not_leave_the_log_taken(void **state)
{
    (void)state;
    signal(SIGVTALRM, jump_out);
    struct itimerval often = {{0, 100}, {0, 100}};
    volatile unsigned jumps = 0;
    volatile unsigned lines = 0;
    assert_int_equal(setitimer(ITIMER_VIRTUAL, &often, NULL), 0);
    while (jumps < 20) {
        if (sigsetjmp(back, 1))
            jumps++;
        lines += report_line("a line"); /* the queue may be full for a moment */
    }
    memset(&often, 0, sizeof often);
    setitimer(ITIMER_VIRTUAL, &often, NULL);
    signal(SIGVTALRM, SIG_DFL);
    bool report = false;
    for (int tries = 0; tries < 2000 && !report; tries++) {
        report = report_line("the last line");
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_true(report);
    assert_true(lines > 0);
    reporter_log();
}

/* True if a program of that kind reads its settings without any system call. */
static bool reads_in_silence(bool secure)
{
    static char *arguments[] = {(char *)"engine", NULL};
    static char *environment[] = {(char *)"PIPESHIM_ONLY=engine", NULL};
    static struct settings read;
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
        bool active = report_read_settings(arguments, environment, secure, &read);
        syscall(SYS_exit, active);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A setuid program (AT_SECURE) opens nothing, whatever its environment asks for. */
static void test_secure_execution_makes_no_call(void **state)
{
    (void)state;
    assert_true(reads_in_silence(true));
    assert_false(reads_in_silence(false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_report_that_cannot_be_made_now),
        cmocka_unit_test(test_a_signal_does_not_leave_the_log_taken),
        cmocka_unit_test(test_secure_execution_makes_no_call),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
