// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are the page of a process (facts/status_page.h), in which it can
// write whatever it likes: `top` shows it as rows, in detail and as JSON, and `metrics` adds it up.
//   make fuzz [FUZZ_SECONDS=60]
#include <string.h>
#include <unistd.h>

#include "cli/status/view.h"
#include "cli/top/top.h"
#include "report/metrics_text.h"
#include "seeds.h"

static FILE *out;
static char *lines;
static size_t length;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct status_page page;
    (void)argc;
    (void)argv;
    write_seed(0, &page, sizeof page);
    memset(&page, 'x', sizeof page);
    write_seed(1, &page, sizeof page);
    memset(&page, 0, sizeof page);
    page.call_count = page.loop_count = page.finding_count = 1;
    page.findings[0].member_count = 2;
    memcpy(page.calls[0].call, "write", sizeof "write");
    memcpy(page.calls[0].where, "engine _ZN3app3runEv", sizeof "engine _ZN3app3runEv");
    write_seed(2, &page, sizeof page);
    memcpy(page.magic, STATUS_MAGIC, sizeof page.magic);
    page.version = STATUS_VERSION;
    page.size = sizeof page;
    write_seed(3, &page, sizeof page);
    out = open_memstream(&lines, &length);
    return !out;
}

/* As it lies in the memory of its process, which is this one. */
static void copy_page(const uint8_t *data, size_t size)
{
    static struct {
        struct status_page page;
        unsigned char behind[4096]; /* the kernel writes there unseen by AddressSanitizer */
    } to;
    static const unsigned char zeroes[sizeof to.behind];
    static unsigned char memory[sizeof(struct status_page) + sizeof to.behind];
    memset(memory, 'x', sizeof memory);
    memcpy(memory, data, size < sizeof memory ? size : sizeof memory);
    if (page_copy(getpid(), (uintptr_t)memory, &to.page) == PAGE_READ &&
        (to.page.call_count > STATUS_CALLS || to.page.drain_count > STATUS_DRAINS))
        abort();
    if (memcmp(to.behind, zeroes, sizeof zeroes) != 0)
        abort();
    page_is_same(getpid(), (uintptr_t)memory, &to.page);
}

/* Nothing but lines, and no command for a terminal. */
static void check_rows(void)
{
    fflush(out);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)lines[i] < ' ' && lines[i] != '\n')
            abort();
    rewind(out);
}

/* Each line is a comment or "NAME{LABELS} NUMBER", whole. */
static void check_metrics(const struct status_page *page, bool open_metrics)
{
    static char labels[METRICS_LABELS_LIMIT], metrics[METRICS_GROUP_SIZE];
    static struct status_page sum;
    struct metrics_group group = {.labels = labels, .page = &sum};
    struct text_buffer text;
    memset(&sum, 0, sizeof sum);
    metrics_add(&sum, page, true);
    metrics_see(&group, page);
    text_init(&text, labels, sizeof labels);
    metrics_label(&text, "exe", page->calls[0].where);
    text_init(&text, metrics, sizeof metrics);
    metrics_render(&text, &group, 1, NULL, 1, open_metrics);
    if (text.truncated || text.length == 0 || metrics[text.length - 1] != '\n')
        abort();
    for (size_t i = 0; i < text.length; i++)
        if ((unsigned char)metrics[i] < ' ' && metrics[i] != '\n')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct watched process = {
        .pid = 7, .found = PAGE_READ, .state = PAGE_READ, .name = "engine"};
    static struct watched *shown[] = {&process};
    struct watched_list list = {.processes = shown, .count = 1, .capacity = 1, .now_ns = 1};
    memset(&process.page, 0, sizeof process.page);
    memcpy(&process.page, data, size < sizeof process.page ? size : sizeof process.page);
    copy_page(data, size);
    page_tame(&process.page);
    for (enum view_order order = 0; order < ORDER_COUNT; order++)
        view_sort(shown, 1, order);
    view_matches(&process, "x");
    view_table(out, &list, shown, 1);
    check_rows();
    const struct top top = {.list = list};
    top_detail(&top, &process, NULL, out);
    check_rows();
    check_metrics(&process.page, size % 2 == 1);
    json_t *object = view_json(&list, shown, 1);
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    if (!text)
        abort(); /* not valid UTF-8 */
    free(text);
    json_decref(object);
    return 0;
}
