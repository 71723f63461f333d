// SPDX-License-Identifier: MIT
#include "cli/report/json_writer.h"

#include <stdint.h>
#include <string.h>

/* Decodes one character. Returns its bytes, 0 if they are no UTF-8 (RFC 3629). */
static unsigned decode(const unsigned char *at, uint32_t *character)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned length = *at < 0x80       ? 1
                      : *at >> 5 == 6  ? 2
                      : *at >> 4 == 14 ? 3
                      : *at >> 3 == 30 ? 4
                                       : 0;
    if (length <= 1) {
        *character = *at;
        return length;
    }
    uint32_t value = *at & (0x7F >> length);
    for (unsigned i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80) /* the NUL at the end too */
            return 0;
        value = value << 6 | (at[i] & 0x3F);
    }
    if (value < smallest[length] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000))
        return 0;
    *character = value;
    return length;
}

void json_write_string(FILE *out, const char *text)
{
    putc('"', out);
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        uint32_t character;
        unsigned length = decode(at, &character);
        if (length == 0)
            fputs("\\ufffd", out);
        else if (character == '"' || character == '\\')
            fprintf(out, "\\%c", (int)character);
        else if (character < 0x20 || character == 0x7F || character == '<' || character == '>' ||
                 character == '&' || character == 0x2028 || character == 0x2029)
            fprintf(out, "\\u%04x", character);
        else
            fwrite(at, 1, length, out);
        at += length ? length : 1;
    }
    putc('"', out);
}

void write_clean(FILE *out, const char *text, const char *also)
{
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        uint32_t character;
        unsigned length = decode(at, &character);
        /* C1 controls: an 8-bit terminal takes U+009B for the start of a command; and the
         * characters that turn the direction of text make a line lie. */
        if (length == 0 || character < 0x20 || (character >= 0x7F && character < 0xA0) ||
            (character >= 0x202A && character <= 0x202E) ||
            (character >= 0x2066 && character <= 0x2069) ||
            (character < 0x80 && strchr(also, (int)character)))
            putc('?', out);
        else
            fwrite(at, 1, length, out);
        at += length ? length : 1;
    }
}
