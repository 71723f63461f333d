// SPDX-License-Identifier: MIT
// Prints the Python frames of a thread of another process, as the library reads them.
//   python_frames PID TID [--running] [--limit=N] [--times=N]
// One line "feature TEXT", one "reason TEXT", then for each reading "stack COMPLETENESS OMITTED"
// and the frames, innermost first: "LINE<TAB>FILE<TAB>FUNCTION".
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain/python/python_stack.h"

static const char *const completeness_names[] = {
    [PYTHON_STACK_NONE] = "none",
    [PYTHON_STACK_COMPLETE] = "complete",
    [PYTHON_STACK_OUTER] = "outer",
    [PYTHON_STACK_LOST] = "lost",
    [PYTHON_STACK_MOVING] = "moving",
    [PYTHON_STACK_SUBINTERPRETER] = "subinterpreter",
    [PYTHON_STACK_UNREADABLE] = "unreadable",
};

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s PID TID [--running] [--limit=N] [--times=N]\n", argv[0]);
        return 64;
    }
    int pid = (int)strtol(argv[1], NULL, 10), tid = (int)strtol(argv[2], NULL, 10);
    unsigned limit = 64, times = 1;
    bool running = false;
    for (int i = 3; i < argc; i++) {
        if (strcmp(argv[i], "--running") == 0)
            running = true;
        else if (strncmp(argv[i], "--limit=", 8) == 0)
            limit = (unsigned)strtoul(argv[i] + 8, NULL, 10);
        else if (strncmp(argv[i], "--times=", 8) == 0)
            times = (unsigned)strtoul(argv[i] + 8, NULL, 10);
        else
            return 64;
    }
    struct python_frame *frames = calloc(limit + 1, sizeof *frames);
    if (!frames)
        return 1;
    struct memory_reader reader = memory_reader_process(pid);
    struct python_runtime runtime;
    python_runtime_find(&reader, pid, &runtime);
    char feature[PYTHON_FEATURE_LIMIT];
    python_runtime_describe(&runtime, feature, sizeof feature);
    printf("feature %s\n", feature);
    for (unsigned i = 0; i < times; i++) {
        struct python_stack_facts facts;
        unsigned count =
            running ? python_read_stack_running(&runtime, &reader, tid, frames, limit, &facts)
                    : python_read_stack(&runtime, &reader, tid, frames, limit, &facts);
        const char *reason = python_completeness_reason(facts.completeness);
        printf("reason %s\nstack %s %u%s\n", reason ? reason : "",
               completeness_names[facts.completeness], facts.omitted,
               facts.omitted_more ? "+" : "");
        for (unsigned j = 0; j < count; j++)
            printf("%d\t%s\t%s\n", frames[j].line, frames[j].file, frames[j].function);
    }
    free(frames);
    return 0;
}
