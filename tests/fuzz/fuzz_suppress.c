// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are a file of rules (PIPESHIM_SUPPRESS), which then are tried.
//   make fuzz [FUZZ_SECONDS=60]
#include <string.h>

#include "report/suppress.h"
#include "seeds.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char seed[] =
        "# a comment\nfunction:log_*\nmodule:*/libc.so.6\npython:a[!b-]?.py\n"
        "call:write\r\nclass:pipe_write\nnone:x\nfunction:\n";
    (void)argc;
    (void)argv;
    write_seed(0, seed, sizeof seed - 1);
    return 0;
}

static void complain(const char *line, void *context)
{
    (void)context;
    for (; *line; line++)
        if ((unsigned char)*line < ' ' || *line == 0x7f)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct stack_frame_name frames[2];
    static struct python_frame python[1];
    static struct incident incident;
    char *text = as_string(data, size);
    strcpy(frames[0].symbol, "log_line");
    strcpy(frames[1].module, "/lib/libc.so.6");
    strcpy(python[0].function, "tick");
    strcpy(python[0].file, "/srv/app.py");
    strcpy(incident.call, "fprintf");
    incident.frames = frames;
    incident.frame_count = 2;
    incident.python = python;
    incident.python_count = 1;
    suppress_parse(text, (unsigned)size, complain, NULL);
    suppress_match(&incident, "pipe_write");
    free(text);
    return 0;
}
