// SPDX-License-Identifier: MIT
#include "watch/call_name.h"

#include <string.h>

#include "base/text_buffer.h"
#include "explain/called_function.h"
#include "explain/symbols.h"
#include "kernel/call_table.h"

const char *kernel_call_name(long number)
{
    const struct call_description *known = call_description(number);
    return known ? known->name : NULL;
}

static bool is_in(const struct stack_frame_name *frame, const char *library)
{
    const char *slash = strrchr(frame->module, '/');
    return strncmp(slash ? slash + 1 : frame->module, library, strlen(library)) == 0;
}

static void set_call(struct incident *incident, const char *name)
{
    struct text_buffer text;
    text_init(&text, incident->call, sizeof incident->call);
    text_string(&text, name);
}

/* Where the call instruction does not tell: perror leaves by a jump to perror_internal, and is
 * itself no frame. */
static void set_call_without_internal(struct incident *incident, const char *symbol)
{
    static const char suffix[] = "_internal";
    size_t size = strlen(symbol);
    set_call(incident, symbol);
    if (size > sizeof suffix && size < sizeof incident->call &&
        strcmp(symbol + size - (sizeof suffix - 1), suffix) == 0)
        incident->call[size - (sizeof suffix - 1)] = '\0';
}

/* The function of libc (or the wrapper that stands for it) that `caller` calls; false: it calls
 * something else, or it is not known. */
static bool name_called_by(const struct stack_frame_name *caller, struct stack_snapshot *snapshot,
                           const struct memory_reader *reader, struct stack_frame_name *called)
{
    static struct stack_trace trace; /* large; the watchdog's alone; child: scratch */
    uintptr_t function;
    if (!called_function(snapshot, reader, caller->pc, &function))
        return false;
    trace.count = 1;
    trace.pc[0] = function;
    trace.exact[0] = true;
    return symbolize(&trace, modules_own(), reader, called, 1) == 1 && called->symbol[0] &&
           called->symbol_offset == 0 &&
           (is_in(called, "libc.so") || is_in(called, "libpipeshim.so"));
}

void call_name_by_stack(enum call_id id, struct stack_snapshot *snapshot,
                        const struct memory_reader *reader, struct incident *incident)
{
    static struct stack_frame_name called; /* child: scratch */
    set_call(incident, call_describe(id)->name);
    if (id != CALL_stdio_write && id != CALL_stdio_read && id != CALL_none)
        return;
    if (id == CALL_none && incident->kernel_call)
        set_call(incident, incident->kernel_call);
    unsigned at = 0;
    while (at < incident->frame_count && is_in(&incident->frames[at], "libpipeshim.so"))
        at++;
    const struct stack_frame_name *entered = NULL;
    /* dprintf is a door of ours and passes the FILE tables' one as well: both are on the way. */
    while (at < incident->frame_count && (is_in(&incident->frames[at], "libc.so") ||
                                          is_in(&incident->frames[at], "libpipeshim.so")))
        entered = &incident->frames[at++];
    if (!entered || !entered->symbol[0])
        return;
    if (at < incident->frame_count &&
        name_called_by(&incident->frames[at], snapshot, reader, &called))
        entered = &called;
    /* main returned: exit() flushes the files, and no frame of the program is left. */
    if (strncmp(entered->symbol, "__libc_start", 12) == 0)
        set_call(incident, "exit");
    else
        set_call_without_internal(incident, entered->symbol);
}
