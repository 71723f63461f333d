// SPDX-License-Identifier: MIT
#include "cli/report/formats.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cli/report/json_writer.h"
#include "cli/report/stack_view.h"

/* The separators of the format; a blank before digits at the end would be taken for the weight. */
static const char RESERVED[] = ";";

static void write_frame(FILE *out, const char *text)
{
    write_clean(out, *text ? text : "?", RESERVED);
}

static void write_stack(const struct model *model, const struct call_site *site, FILE *out)
{
    uint32_t frames[STACK_LIMIT];
    char text[FRAME_TEXT_LIMIT];
    write_frame(out, model_text(model, site->exe));
    for (uint32_t i = site_stack(model, site, frames); i-- > 0;) {
        const struct frame *frame = &model->frames[frames[i]];
        putc(';', out);
        write_frame(out, frame_function(model, frame, text));
        if ((frame->interpreted && frame->module != 0) || frame->source != 0) {
            fputs(" (", out);
            write_frame(out, base_name(frame_place(model, frame, text)));
            putc(')', out);
        }
    }
    putc(';', out);
    write_frame(out, model_text(model, site->call));
    if (site->class_name != 0) {
        fputs(" [", out);
        write_frame(out, model_text(model, site->class_name));
        putc(']', out);
    }
}

void format_folded(const struct model *model, FILE *out)
{
    uint32_t count;
    uint32_t *ranking = model_rank_sites(model, SITE_CALL, &count);
    for (uint32_t i = 0; ranking && i < count; i++) {
        const struct call_site *site = &model->sites[ranking[i]];
        write_stack(model, site, out);
        fprintf(out, " %" PRId64 "\n", site->total > 0 ? site->total : 1);
    }
    free(ranking);
}
