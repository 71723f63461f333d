// SPDX-License-Identifier: MIT
#include "report/javascript_frames.h"

#include <string.h>

#include "base/utf8.h"

const char *javascript_function_name(const struct javascript_frame *frame)
{
    return frame->function[0] ? frame->function : "<anonymous>";
}

static void position(struct text_buffer *text, const struct javascript_frame *frame)
{
    text_printable(text, frame->file);
    if (frame->line > 0) {
        text_char(text, ':');
        text_signed(text, frame->line);
        if (frame->column > 0) {
            text_char(text, ':');
            text_signed(text, frame->column);
        }
    } else if (frame->function_line > 0) {
        text_string(text, ", in the function of line ");
        text_signed(text, frame->function_line);
    }
}

void javascript_frame_text(struct text_buffer *text, const struct javascript_frame *frame)
{
    if (!frame->readable) {
        text_string(text, "(a frame that could not be read)");
        return;
    }
    text_printable(text, javascript_function_name(frame));
    text_string(text, "  ");
    if (frame->tier == JAVASCRIPT_BUILTIN) {
        text_string(text, "(builtin)");
        return;
    }
    if (frame->near)
        text_string(text, "near ");
    position(text, frame);
    if (frame->generated)
        text_string(text, " (generated: the file has a source map)");
}

static bool is_of_program(const struct javascript_frame *frame)
{
    return frame->file[0] && strncmp(frame->file, "node:", 5) != 0;
}

const struct javascript_frame *javascript_user_frame(const struct javascript_frame *frames,
                                                     unsigned count)
{
    const struct javascript_frame *of_package = NULL;
    for (unsigned i = 0; i < count; i++) {
        if (!is_of_program(&frames[i]))
            continue;
        if (strstr(frames[i].file, "/node_modules/") == NULL)
            return &frames[i];
        if (of_package == NULL)
            of_package = &frames[i];
    }
    return of_package;
}

void javascript_where(struct text_buffer *text, const struct javascript_frame *frames,
                      unsigned count)
{
    const struct javascript_frame *frame = javascript_user_frame(frames, count);
    if (frame == NULL) {
        if (count > 0 && frames[0].readable)
            text_string(text, javascript_function_name(&frames[0]));
        return;
    }
    text_string(text, frame->file);
    if (frame->line > 0) {
        text_char(text, ':');
        text_signed(text, frame->line);
    }
    text_char(text, ' ');
    text_string(text, javascript_function_name(frame));
}
