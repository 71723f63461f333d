// SPDX-License-Identifier: MIT
#include "cli/report/json_writer.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

void json_write_string(FILE *out, const char *text)
{
    putc('"', out);
    for (const char *at = text; *at;) {
        uint32_t character;
        unsigned length = utf8_decode(at, &character);
        if (length == 0)
            fputs("\\ufffd", out);
        else if (character == '"' || character == '\\')
            fprintf(out, "\\%c", (int)character);
        else if (!utf8_is_printable(character) || character == '<' || character == '>' ||
                 character == '&')
            fprintf(out, "\\u%04x", character);
        else
            fwrite(at, 1, length, out);
        at += length ? length : 1;
    }
    putc('"', out);
}

void write_clean(FILE *out, const char *text, const char *also)
{
    for (const char *at = text; *at;) {
        uint32_t character;
        unsigned length = utf8_decode(at, &character);
        if (length == 0 || !utf8_is_printable(character) ||
            (character < 0x80 && strchr(also, (int)character)))
            putc('?', out);
        else
            fwrite(at, 1, length, out);
        at += length ? length : 1;
    }
}
