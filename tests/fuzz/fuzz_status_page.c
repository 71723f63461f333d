// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are the page of a process (facts/status_page.h), in which it can
// write whatever it likes, and `top` shows it: as rows, and as JSON.
//   make fuzz [FUZZ_SECONDS=60]
#include <string.h>

#include "cli/status/view.h"
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
    out = open_memstream(&lines, &length);
    return !out;
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct watched process = {
        .pid = 7, .found = PAGE_READ, .state = PAGE_READ, .name = "engine"};
    static struct watched *shown[] = {&process};
    struct watched_list list = {.processes = shown, .count = 1, .capacity = 1, .now_ns = 1};
    memset(&process.page, 0, sizeof process.page);
    memcpy(&process.page, data, size < sizeof process.page ? size : sizeof process.page);
    page_tame(&process.page);
    for (enum view_order order = 0; order < ORDER_COUNT; order++)
        view_sort(shown, 1, order);
    view_matches(&process, "x");
    view_table(out, &list, shown, 1);
    check_rows();
    json_t *object = view_json(&list, shown, 1);
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    if (!text)
        abort(); /* not valid UTF-8 */
    free(text);
    json_decref(object);
    return 0;
}
