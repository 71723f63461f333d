// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are a log that `report` and `run` read: into the model of all logs,
// each event as the text of a person and as a CI server's annotation, and the model in each format.
//   make fuzz [FUZZ_SECONDS=60]
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/report/aggregate.h"
#include "cli/report/event_text.h"
#include "cli/report/formats.h"
#include "cli/report/log_reader.h"
#include "cli/run_annotations.h"
#include "seeds.h"

#define HEAD                                                                                       \
    "\"v\":1,\"seq\":2,\"time\":\"2026-11-20T22:56:27.123456Z\",\"pid\":7,\"tid\":8,\"exe\":\"/"   \
    "a\",\"thread\":\"t\","

static const char *const seeds[] = {
    "{\"event\":\"start\"," HEAD
    "\"version\":\"0\",\"argv0\":\"a\",\"config\":{},\"features\":{}}\n",
    "{\"event\":\"blocked\"," HEAD
    "\"call\":\"write\",\"class\":\"pipe_write\",\"fd\":2,\"object\":\"pipe:[5]\","
    "\"bytes\":9,\"blocked_ms\":100.5,\"loop\":true,\"pipe\":{\"inode\":5,\"used\":6,\"capacity\":"
    "7,\"full\":true,"
    "\"role\":\"writer\",\"peers\":[{\"pid\":1,\"comm\":\"c\",\"fd\":3,\"state\":\"S\",\"waits_"
    "in\":\"read fd 3\"}]},"
    "\"stack_id\":\"0x1\",\"stack\":[{\"pc\":\"0x10\",\"module\":\"/"
    "m\",\"offset\":\"0x1\",\"symbol\":\"f\"}],"
    "\"python\":[{\"file\":\"a.py\",\"line\":3,\"function\":\"g\"}]}\n",
    "{\"event\":\"blocked\"," HEAD
    "\"stack\":[\"write+16 libc.so.6+0x12\",\"? 0x7\"],\"javascript\":[\"a.js:1:2 f\"],"
    "\"modules\":{\"libc.so.6\":{\"path\":\"/l\",\"build_id\":\"0011\"}}}\n",
    "{\"event\":\"unblocked\"," HEAD "\"ref\":2,\"blocked_ms\":2500,\"result\":\"returned\"}\n",
    "{\"event\":\"lag\"," HEAD
    "\"lag_ms\":9,\"cause\":\"cpu\",\"shares\":{\"cpu\":5},\"calls\":[{\"call\":\"c\","
    "\"class\":\"file\",\"ms\":1}]}\n{\"event\":\"lag_end\"," HEAD
    "\"ref\":2,\"lag_ms\":9,\"cause\":{\"starved\":9}}\n",
    "{\"event\":\"deadlock\"," HEAD
    "\"id\":\"0x1\",\"words\":\"w\\r\\nx\",\"chain\":[{\"pid\":7,\"comm\":\"c\",\"tid\":8,"
    "\"waits_in\":\"w\",\"object\":\"pipe:[5]\",\"waits_for\":\"room\",\"for_pid\":9}]}\n",
    "{\"event\":\"filling\"," HEAD
    "\"fd\":1,\"object\":\"pipe:[5]\",\"bytes_per_s\":5,\"full_in_s\":1.5}\n",
    "{\"event\":\"drain_start\"," HEAD "\"fd\":2,\"object\":\"pipe:[5]\",\"queued_bytes\":5}\n"
    "{\"event\":\"drain_drop\"," HEAD "\"bytes\":5,\"writes\":1,\"reason\":\"overflow\"}\n"
    "{\"event\":\"drain_wait\"," HEAD "\"waits\":\"exit\",\"fd\":2,\"bytes\":5,\"then\":\"lost\"}\n"
    "{\"event\":\"action\"," HEAD "\"action\":\"stop\",\"result\":\"r\"}\n",
    "{\"event\":\"summary\"," HEAD
    "\"run_ms\":5,\"sites\":[{\"call\":\"c\",\"count\":1}],\"loops\":[{\"tid\":1}]}\n",
};

enum { INPUTS = 200 };

static int file = -1;
static FILE *out;
static char *lines;
static size_t length;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (unsigned i = 0; i < sizeof seeds / sizeof *seeds; i++)
        write_seed(i, seeds[i], strlen(seeds[i]));
    file = memfd_create("log", MFD_CLOEXEC);
    out = open_memstream(&lines, &length);
    return file < 0 || !out;
}

/* Nothing but lines, and no command for a terminal. */
static void check_text(void)
{
    fflush(out);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)lines[i] < ' ' && lines[i] != '\n')
            abort();
    rewind(out);
}

/* One line at most: a second one would be a command to the runner. */
static void check_annotation(void)
{
    fflush(out);
    const char *end = memchr(lines, '\n', length);
    if ((length > 0 && end != lines + length - 1) || memchr(lines, '\r', length))
        abort();
    check_text();
}

/* One JSON value, whatever the log held. */
static void check_json(const struct model *model, void (*format)(const struct model *, FILE *))
{
    json_error_t error;
    format(model, out);
    fflush(out);
    json_t *value = json_loadb(lines, length, JSON_DISABLE_EOF_CHECK, &error);
    if (!value)
        abort();
    json_decref(value);
    rewind(out);
}

static void format_all(const struct model *model)
{
    enum { LIMIT = 5 };
    check_json(model, format_speedscope);
    check_json(model, format_perfetto);
    check_json(model, format_otlp);
    format_text(model, LIMIT, out);
    format_summary(model, LIMIT, out);
    check_text();
    format_folded(model, out);
    format_html(model, out);
    format_markdown(model, LIMIT, out);
    format_junit(model, out);
    rewind(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model model; /* its tables are large: one for some inputs */
    static unsigned inputs;
    struct log_reader reader;
    if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size ||
        lseek(file, 0, SEEK_SET) != 0 || (inputs == 0 && !model_open(&model)) ||
        !log_reader_open(&reader, file))
        abort();
    json_t *event;
    while ((event = log_reader_next(&reader)) || (event = log_reader_last(&reader))) {
        event_text_write(event, json_string_value(json_object_get(event, "script")), out);
        check_text();
        run_annotations_write(event, out);
        check_annotation();
        aggregate_event(&model, event, 0);
        json_decref(event);
    }
    if (++inputs == INPUTS) {
        aggregate_finish(&model);
        format_all(&model);
        model_close(&model);
        inputs = 0;
    }
    log_reader_close(&reader);
    return 0;
}
