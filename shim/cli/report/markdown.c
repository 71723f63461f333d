// SPDX-License-Identifier: MIT
#include "cli/report/markdown.h"

#include <string.h>

/* GitHub makes links of what has no markup at all: @user, #12, www.…, http://…. An entity shows the
 * character, and is no part of any of these. */
static const char *entity(const char *at, const char *text)
{
    if (*at == '@')
        return "&#64;";
    if (*at == '#')
        return "&#35;";
    if (*at == ':' && at[1] == '/')
        return "&#58;";
    if (*at == '.' && at - text >= 3 && strncmp(at - 3, "www", 3) == 0)
        return "&#46;";
    return NULL;
}

void markdown_text(const char *text, FILE *out)
{
    for (const char *at = text; *at; at++) {
        const char *instead = entity(at, text);
        if (instead) {
            fputs(instead, out);
            continue;
        }
        /* In a table a bar ends the cell. */
        if (strchr("|`<>*_[]\\~&$!", *at))
            fputc('\\', out);
        fputc((unsigned char)*at < ' ' || *at == 0x7f ? ' ' : *at, out);
    }
}
