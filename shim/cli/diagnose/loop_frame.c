// SPDX-License-Identifier: MIT
#include "cli/diagnose/loop_frame.h"

#include <string.h>

static bool ends_in(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* Qualified ("BaseEventLoop._run_once") from Python 3.11 on, the bare name before. */
static bool is_function(const struct python_frame *frame, const char *file, const char *function)
{
    size_t before = strlen(frame->function) - strlen(function);
    return ends_in(frame->file, file) && ends_in(frame->function, function) &&
           (before == 0 || frame->function[before - 1] == '.');
}

/* One turn of a loop, and what it calls when it does not wait: asyncio runs all through a Handle,
 * trio resumes its tasks (their frames are files of anybody's). */
bool loop_has_called_python(const struct python_frame *frames, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (frames[i].awaits)
            continue;
        if (is_function(&frames[i], "/asyncio/base_events.py", "_run_once"))
            return i > 0 && is_function(&frames[i - 1], "/asyncio/events.py", "_run");
        if (is_function(&frames[i], "/trio/_core/_run.py", "unrolled_run"))
            return i > 0 && !strstr(frames[i - 1].file, "/trio/_core/");
    }
    return false;
}

bool loop_has_called_native(const struct stack_frame_name *frames, unsigned count)
{
    static const char *const turns[] = {"uv_run", "event_base_loop", "ev_run"};
    for (unsigned i = 1; i < count; i++)
        for (unsigned k = 0; k < sizeof turns / sizeof *turns; k++)
            if (strcmp(frames[i].symbol, turns[k]) == 0)
                return true;
    return false;
}
