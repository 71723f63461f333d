// SPDX-License-Identifier: MIT
#include "log_case.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "report/log.h"

bool log_own_table;

const char *log_engine(void)
{
    return "engine";
}

struct record {
    const char *data;
    size_t size;
    bool written;
};

void log_settle(void)
{
    log_finish(clock_monotonic_ns() + 20ULL * NS_PER_S);
}

static void *record_without_fds(void *argument)
{
    struct record *record = argument;
    if (unshare(CLONE_FILES) != 0 || close_range(0, ~0U, 0) != 0)
        abort();
    record->written = log_record(record->data, record->size, true);
    return NULL;
}

bool log_send(const char *data, size_t size)
{
    struct record record = {data, size, false};
    pthread_t thread;
    if (!log_own_table)
        return log_record(data, size, false);
    assert_int_equal(pthread_create(&thread, NULL, record_without_fds, &record), 0);
    pthread_join(thread, NULL);
    return record.written;
}

bool log_say(const char *text)
{
    return log_send(text, strlen(text));
}
