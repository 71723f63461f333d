// SPDX-License-Identifier: MIT
#include "reporter_case.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "process/life.h"
#include "report/reporter.h"
#include "report/summary.h"

static char path[64];

static const char *no_stacks(void)
{
    return "off: a test";
}

static unsigned no_loops(struct loop_statistics *out, unsigned limit)
{
    (void)out;
    (void)limit;
    return 0;
}

static unsigned no_rescues(struct drain_rescue *out, unsigned limit)
{
    (void)out;
    (void)limit;
    return 0;
}

static struct look_totals no_looks(void)
{
    return (struct look_totals){0, 0, 0};
}

void reporter_begin(void)
{
    static char log[96];
    static char *arguments[] = {(char *)"engine", NULL};
    static char *environment[] = {log, (char *)"PIPESHIM_FORMAT=json", NULL};
    static const struct report_sources sources = {
        .cpu_stacks = no_stacks, .loops = no_loops, .rescues = no_rescues, .looks = no_looks};
    snprintf(path, sizeof path, "/tmp/pipeshim-reporter-%d", getpid());
    snprintf(log, sizeof log, "PIPESHIM_LOG=%s", path);
    assert_true(report_read_settings(arguments, environment, false, &settings));
    assert_true(report_prepare(arguments, environment, &sources));
}

const char *reporter_log(void)
{
    static char text[65536];
    report_finish(clock_monotonic_ns() + 20ULL * NS_PER_S);
    int fd = open(path, O_RDONLY);
    ssize_t size = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    close(fd);
    unlink(path);
    text[size > 0 ? size : 0] = '\0';
    return text;
}
