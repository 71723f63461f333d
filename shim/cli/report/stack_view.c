// SPDX-License-Identifier: MIT
#include "cli/report/stack_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "explain/user_frame.h"

const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* CPython's evaluation loop, under its names since 3.6 ("….cold" and other clones included). */
static bool is_evaluation_loop(const char *function)
{
    return strncmp(function, "_PyEval_EvalFrame", 17) == 0 ||
           strncmp(function, "PyEval_EvalFrame", 16) == 0;
}

static bool is_interpreter_module(const char *module)
{
    const char *name = base_name(module);
    return strncmp(name, "python", 6) == 0 || strncmp(name, "libpython", 9) == 0;
}

/* How many of the innermost native frames lie within what the interpreted code called. */
static uint32_t natives_below_interpreter(const struct model *model, const uint32_t *frames,
                                          uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (is_evaluation_loop(model_text(model, model->frames[frames[i]].function)))
            return i;
    /* Stripped: without names only the module tells. */
    for (uint32_t i = 0; i < count; i++)
        if (is_interpreter_module(model_text(model, model->frames[frames[i]].module)))
            return i;
    return 0;
}

uint32_t site_stack(const struct model *model, const struct call_site *site, uint32_t *frames)
{
    const uint32_t *all = model->site_frames + site->first_frame;
    uint32_t natives = site->native_count, count = 0;
    bool python =
        site->interpreted_count > 0 && model->frames[all[natives]].interpreted == LANGUAGE_PYTHON;
    if (python)
        natives = natives_below_interpreter(model, all, natives);
    for (uint32_t i = 0; i < natives; i++) {
        const struct frame *frame = &model->frames[all[i]];
        /* "python3.11+0x6b2935" above good frames tells nobody anything. */
        if (!python || frame->function != 0 ||
            !is_interpreter_module(model_text(model, frame->module)))
            frames[count++] = all[i];
    }
    memcpy(frames + count, all + site->native_count, site->interpreted_count * sizeof *frames);
    return count + site->interpreted_count;
}

const char *frame_function(const struct model *model, const struct frame *frame, char *text)
{
    const char *function = model_text(model, frame->function);
    const char *module = base_name(model_text(model, frame->module));
    if (*function)
        snprintf(text, FRAME_TEXT_LIMIT, "%s", function);
    else if (frame->interpreted)
        snprintf(text, FRAME_TEXT_LIMIT, "%s:%" PRIu64, module, frame->offset);
    else if (*module)
        snprintf(text, FRAME_TEXT_LIMIT, "%s+0x%" PRIx64, module, frame->offset);
    else
        snprintf(text, FRAME_TEXT_LIMIT, "0x%" PRIx64, frame->offset);
    return text;
}

const char *frame_doubt(const struct frame *frame)
{
    static const char *const words[] = {"", " (near)", " (generated)", " (near) (generated)"};
    bool has_line = frame->interpreted && frame->offset != 0 && frame->module != 0;
    return words[has_line ? frame->near + 2 * frame->generated : 0];
}

const char *frame_place(const struct model *model, const struct frame *frame, char *text)
{
    text[0] = '\0';
    bool has_line = frame->interpreted && frame->offset != 0;
    if (has_line && frame->module != 0)
        snprintf(text, FRAME_TEXT_LIMIT, "%s:%" PRIu64 "%s", model_text(model, frame->module),
                 frame->offset, frame_doubt(frame));
    else if (!frame->interpreted && frame->source != 0)
        snprintf(text, FRAME_TEXT_LIMIT, "%s:%u", model_text(model, frame->source), frame->line);
    else if (frame->module != 0)
        snprintf(text, FRAME_TEXT_LIMIT, "%s", model_text(model, frame->module));
    return text;
}

/* A frame of the program's own code, where a language says so: not of a standard library, of Node,
 * nor of a package. */
static bool is_users(const struct model *model, const struct frame *frame)
{
    const char *file = model_text(model, frame->module);
    return frame->interpreted == LANGUAGE_JAVASCRIPT
               ? javascript_file_is_user(file)
               : frame->interpreted == LANGUAGE_PYTHON && *file && !python_file_is_library(file);
}

/* As the library chooses: where all is a package's its line says more than Node's. */
static bool is_of_package(const struct model *model, const struct frame *frame)
{
    const char *file = model_text(model, frame->module);
    return frame->interpreted == LANGUAGE_JAVASCRIPT && *file && strncmp(file, "node:", 5) != 0;
}

const struct frame *site_user_frame(const struct model *model, const struct call_site *site)
{
    uint32_t frames[STACK_LIMIT];
    uint32_t count = site_stack(model, site, frames);
    uint32_t best = 0;
    while (best < count && !model->frames[frames[best]].interpreted &&
           strncmp(base_name(model_text(model, model->frames[frames[best]].module)), "libc.so",
                   7) == 0)
        best++;
    uint32_t of_package = count;
    for (uint32_t i = best; i < count; i++) {
        const struct frame *frame = &model->frames[frames[i]];
        if (is_users(model, frame))
            return frame;
        if (of_package == count && is_of_package(model, frame))
            of_package = i;
    }
    if (of_package < count)
        best = of_package;
    else if (site->user_frame != 0)
        return &model->frames[site->user_frame - 1];
    if (best == count)
        best = 0;
    return count > 0 ? &model->frames[frames[best]] : NULL;
}

const char *site_where(const struct model *model, const struct call_site *site, char *text)
{
    char function[FRAME_TEXT_LIMIT];
    char place[FRAME_TEXT_LIMIT];
    const struct frame *frame = site_user_frame(model, site);
    text[0] = '\0';
    if (frame)
        snprintf(text, SITE_WHERE_LIMIT, "%s  %s", frame_function(model, frame, function),
                 frame_place(model, frame, place));
    return text;
}
