// SPDX-License-Identifier: MIT
/* Metrics of pages that hold as much, and as strange things, as a page can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "facts/status_page.h"
#include "graph/finding.h"
#include "report/metrics_text.h"

enum { GROUPS = 3 };

static struct status_page strange, sum;
static char output[GROUPS * METRICS_GROUP_SIZE];

static void fill(struct status_page *page)
{
    memset(page, 0, sizeof *page);
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        page->classes[i].blocked = page->classes[i].returned = UINT64_MAX;
    for (unsigned i = 0; i < STATUS_KINDS; i++)
        page->found[i] = page->active[i] = 7;
    for (unsigned i = 0; i < CAUSE_COUNT; i++)
        page->lag_cause_ns[i] = UINT64_MAX;
    page->loop_count = STATUS_LOOPS;
    for (unsigned i = 0; i < STATUS_LOOPS; i++) {
        /* "\1", "\2", ... differ, and a label shows all of them as "?". */
        snprintf(page->loops[i].thread, STATUS_NAME, "%c%s", (int)i + 1, i > 3 ? "\"\\\n" : "");
        page->loops[i].iterations = page->loops[i].lag_histogram[0] = 5;
    }
    strcpy(page->loops[1].thread, "other");
    for (int fd = 0; fd < STATUS_STREAMS; fd++)
        page->streams[fd] = (struct status_stream){.used = 16384 * (fd + 1), .capacity = 65536};
    page->drain_count = STATUS_DRAINS;
    for (unsigned i = 0; i < STATUS_DRAINS; i++)
        page->drains[i] = (struct status_drain){.fd = (int)i - 1, .queued_bytes = 10};
    page->drained_bytes = 1;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The series, each cut before its value; in order. */
static unsigned series_of(char *text, char **series, unsigned limit)
{
    unsigned count = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (*line == '#')
            continue;
        assert_true(count < limit);
        *strrchr(line, ' ') = '\0';
        series[count++] = line;
    }
    qsort(series, count, sizeof *series, compare);
    return count;
}

static void render(unsigned groups, bool open_metrics)
{
    static char labels[GROUPS][METRICS_LABELS_LIMIT];
    struct metrics_group group[GROUPS];
    struct metrics_host host = {1, 2, 3, 4};
    struct text_buffer text;
    fill(&strange);
    memset(&sum, 0, sizeof sum);
    metrics_add(&sum, &strange, true);
    for (unsigned i = 0; i < groups; i++) {
        char name[200];
        memset(name, '"', sizeof name); /* each becomes two */
        snprintf(name + 190, 10, "%u", i);
        struct text_buffer label;
        text_init(&label, labels[i], sizeof labels[i]);
        metrics_label(&label, "exe", name);
        group[i] = (struct metrics_group){.labels = labels[i], .page = &sum};
        metrics_see(&group[i], &strange);
    }
    text_init(&text, output, groups * METRICS_GROUP_SIZE);
    metrics_render(&text, group, groups, &host, 1, open_metrics);
    assert_false(text.truncated);
}

static void test_there_is_room_for_all(void **state)
{
    (void)state;
    render(1, false);
    render(GROUPS, true);
    assert_non_null(strstr(output, "\n# EOF\n"));
}

static void test_no_series_is_there_twice_and_their_number_is_bounded(void **state)
{
    static char *series[GROUPS * METRICS_GROUP_SERIES];
    (void)state;
    render(GROUPS, false);
    unsigned count = series_of(output, series, sizeof series / sizeof *series);
    assert_true(count > GROUPS * 200);
    for (unsigned i = 1; i < count; i++)
        assert_string_not_equal(series[i - 1], series[i]);
}

static void expect(const char *line)
{
    if (!strstr(output, line))
        fail_msg("not there: %s", line);
}

static void test_loops_beyond_the_bound_are_one(void **state)
{
    (void)state;
    render(1, false);
    char *text = strstr(output, "loop=\"other\"");
    assert_non_null(text);
    unsigned loops = 0;
    for (char *at = output; (at = strstr(at, "pipeshim_loop_lag_seconds_count{")) != NULL; at++)
        loops++;
    assert_true(loops <= METRICS_LOOPS);
    /* None is lost: eight loops of five iterations. */
    unsigned sum_of_all = 0;
    for (char *at = output; (at = strstr(at, "pipeshim_loop_lag_seconds_count{")) != NULL; at++)
        sum_of_all += (unsigned)strtoul(strstr(at, "} ") + 2, NULL, 10);
    assert_int_equal(sum_of_all, STATUS_LOOPS * 5);
}

static void test_streams_and_queues(void **state)
{
    struct metrics_group group = {.labels = "exe=\"a\"", .page = &sum};
    struct status_page emptier;
    struct text_buffer text;
    (void)state;
    fill(&strange);
    fill(&emptier);
    emptier.streams[2] = (struct status_stream){.used = 10, .capacity = 100};
    metrics_see(&group, &strange);
    metrics_see(&group, &emptier);
    text_init(&text, output, sizeof output);
    metrics_render(&text, &group, 1, NULL, 1, false);
    expect("pipeshim_stdio_fill_ratio{exe=\"a\",stream=\"stdin\"} 0.2500\n");
    expect("pipeshim_stdio_fill_ratio{exe=\"a\",stream=\"stderr\"} 0.7500\n"); /* the fuller one */
    expect("pipeshim_drain_queue_bytes{exe=\"a\",fd=\"0\"} 20\n");
    expect("pipeshim_drain_queue_bytes{exe=\"a\",fd=\"other\"} 180\n"); /* -1 and from 3 on */
    assert_null(strstr(output, "pipeshim_unread_processes"));           /* the host's */
    group = (struct metrics_group){.labels = "exe=\"a\"", .page = &sum};
    memset(&sum, 0, sizeof sum);
    text_init(&text, output, sizeof output);
    metrics_render(&text, &group, 1, NULL, 1, false);
    assert_null(strstr(output, "pipeshim_stdio_fill_ratio{"));
    assert_null(strstr(output, "pipeshim_drain_queue_bytes{"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_is_room_for_all),
        cmocka_unit_test(test_no_series_is_there_twice_and_their_number_is_bounded),
        cmocka_unit_test(test_loops_beyond_the_bound_are_one),
        cmocka_unit_test(test_streams_and_queues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
