// SPDX-License-Identifier: MIT
/* The stacks of an event, for a person: the program's own language first. */
#include "report/event_text_parts.h"
#include "report/javascript_frames.h"

#include <string.h>

#include "base/utf8.h"
#include "explain/user_frame.h"

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool is_in(const struct stack_frame_name *frame, const char *module)
{
    return strncmp(base_name(frame->module), module, strlen(module)) == 0;
}

static bool is_interpreter(const struct stack_frame_name *frame)
{
    return is_in(frame, "python") || is_in(frame, "libpython");
}

/* Where the thread is, in the words of the call or of the sample. */
static const char *heading(const struct incident *incident)
{
    if (incident->running)
        return "  stack, where it runs, innermost first:\n";
    return incident->class == CLASS_CPU
               ? "  stack, of the call that it is in now, innermost first:\n"
               : "  stack, taken while blocked, innermost first:\n";
}

/* Below Python's own frames the interpreter's say nothing, but the first: where it was left. */
static void frames(struct text_buffer *text, const struct incident *incident)
{
    enum { SPACE_FOR_FRAME = 600 };
    text_string(text, heading(incident));
    bool inside = false;
    unsigned i = 0, left_out = 0;
    for (; i < incident->frame_count && text->capacity - text->length > SPACE_FOR_FRAME; i++) {
        const struct stack_frame_name *frame = &incident->frames[i];
        bool interpreter = incident->python_count > 0 && is_interpreter(frame);
        if (inside && (interpreter || is_in(frame, "libc.so"))) {
            left_out++;
            continue;
        }
        inside |= interpreter;
        text_string(text, "    #");
        text_unsigned(text, i);
        text_char(text, ' ');
        if (frame->symbol[0]) {
            text_printable(text, frame->symbol);
            text_char(text, '+');
            text_hex(text, frame->symbol_offset);
        } else {
            text_string(text, "??");
        }
        text_string(text, "  ");
        if (frame->module[0]) {
            text_printable(text, base_name(frame->module));
            text_char(text, '+');
            text_hex(text, frame->offset);
        } else {
            text_hex(text, frame->pc);
        }
        text_char(text, '\n');
    }
    if (left_out) {
        text_string(text, "    (");
        text_unsigned(text, left_out);
        text_string(text, " of the interpreter left out)\n");
    }
    if (i < incident->frame_count || !incident->stack_complete)
        text_string(text, "    (the stack goes on)\n");
}

static bool is_folded(const struct incident *incident, unsigned i)
{
    return i < incident->python_count && python_file_is_library(incident->python[i].file);
}

/* "subprocess" of ".../lib/python3.11/subprocess.py", the package of an installed one. */
static size_t library_name(const char *file, const char **name)
{
    static const char folders[][16] = {"/site-packages/", "/dist-packages/", "/lib/python",
                                       "/lib64/python", "<frozen "};
    *name = base_name(file);
    for (unsigned i = 0; i < sizeof folders / sizeof *folders; i++) {
        const char *found = strstr(file, folders[i]);
        if (!found)
            continue;
        found += strlen(folders[i]);
        const char *slash = i == 2 || i == 3 ? strchr(found, '/') : NULL; /* after the version */
        *name = slash ? slash + 1 : found;
        break;
    }
    return strcspn(*name, "/.>");
}

/* The frames from `first` on that are a library's, in one line; returns how many. */
static unsigned fold(struct text_buffer *text, const struct incident *incident, unsigned first)
{
    unsigned count = 0;
    const char *last = "";
    size_t last_length = 0;
    while (is_folded(incident, first + count))
        count++;
    text_string(text, "    (");
    text_unsigned(text, count);
    text_string(text, count == 1 ? " frame of" : " frames of");
    for (unsigned i = first; i < first + count; i++) {
        const char *name;
        size_t length = library_name(incident->python[i].file, &name);
        if (length == last_length && memcmp(name, last, length) == 0)
            continue;
        text_string(text, i == first ? " " : ", ");
        text_printable_part(text, name, length);
        last = name;
        last_length = length;
    }
    text_string(text, ")\n");
    return count;
}

/* A library's frames are one line, but where there is nothing else. */
static void python_frames(struct text_buffer *text, const struct incident *incident)
{
    enum { SPACE_FOR_FRAME = 900 };
    bool folds = user_frame_python(incident->python, incident->python_count) >= 0;
    text_string(text, "  Python, innermost first:\n");
    for (unsigned i = 0;
         i < incident->python_count && text->capacity - text->length > SPACE_FOR_FRAME; i++) {
        const struct python_frame *frame = &incident->python[i];
        if (folds && is_folded(incident, i) && is_folded(incident, i + 1)) {
            i += fold(text, incident, i) - 1;
            continue;
        }
        text_string(text, "    ");
        text_printable(text, frame->function);
        text_string(text, "  ");
        text_printable(text, frame->file);
        if (frame->line > 0) {
            text_char(text, ':');
            text_signed(text, frame->line);
        }
        text_char(text, '\n');
    }
    if (incident->python_omitted) {
        text_string(text, "    and ");
        text_unsigned(text, incident->python_omitted);
        text_string(text, " outer frames\n");
    }
}

static void javascript_frames(struct text_buffer *text, const struct incident *incident)
{
    enum { SPACE_FOR_FRAME = 1000 };
    text_string(text, "  JavaScript, innermost first:\n");
    for (unsigned i = 0;
         i < incident->javascript_count && text->capacity - text->length > SPACE_FOR_FRAME; i++) {
        text_string(text, "    ");
        javascript_frame_text(text, &incident->javascript[i]);
        text_char(text, '\n');
    }
    if (incident->javascript_omitted) {
        text_string(text, "    and ");
        text_unsigned(text, incident->javascript_omitted);
        text_string(text, " outer frames\n");
    }
}

void event_text_stacks(struct text_buffer *text, const struct incident *incident, bool with_stack)
{
    if (with_stack && incident->python_count > 0)
        python_frames(text, incident);
    if (with_stack && incident->javascript_count > 0)
        javascript_frames(text, incident);
    if (incident->starting && incident->running && incident->frame_count > 0)
        text_string(text, "  (while it starts, in its loop's first second: the stack is left out "
                          "here)\n");
    else if (with_stack && incident->frame_count > 0)
        frames(text, incident);
    else if (incident->frame_count > 0) {
        text_string(text, "  stack: shown before, id ");
        text_hex(text, incident->stack_hash);
        text_char(text, '\n');
    }
}
