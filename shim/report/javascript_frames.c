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
