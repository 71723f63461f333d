// SPDX-License-Identifier: MIT
#include "report/json_writer.h"

#include <string.h>

void json_begin(struct json_writer *json, struct text_buffer *text)
{
    json->text = text;
    json->first = true;
}

size_t json_room(const struct json_writer *json)
{
    return json->text->capacity - 1 - json->text->length;
}

/* The length of the valid UTF-8 sequence at `p` (RFC 3629: no overlong forms, no surrogates, up to
 * U+10FFFF); 0 if there is none. A NUL ends every string, so a cut sequence is never valid. */
static unsigned utf8_length(const unsigned char *p)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        return (p[1] & 0xc0) == 0x80 ? 2 : 0;
    if (p[0] >= 0xe0 && p[0] <= 0xef) {
        unsigned low = p[0] == 0xe0 ? 0xa0 : 0x80;
        unsigned high = p[0] == 0xed ? 0x9f : 0xbf;
        return p[1] >= low && p[1] <= high && (p[2] & 0xc0) == 0x80 ? 3 : 0;
    }
    if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        unsigned low = p[0] == 0xf0 ? 0x90 : 0x80;
        unsigned high = p[0] == 0xf4 ? 0x8f : 0xbf;
        return p[1] >= low && p[1] <= high && (p[2] & 0xc0) == 0x80 && (p[3] & 0xc0) == 0x80 ? 4
                                                                                             : 0;
    }
    return 0;
}

static void quoted(struct text_buffer *text, const char *value)
{
    text_char(text, '"');
    for (const unsigned char *p = (const unsigned char *)value; *p;) {
        unsigned length = utf8_length(p);
        if (length == 0) {
            text_string(text, "\\ufffd");
            length = 1;
        } else if (*p == '"' || *p == '\\') {
            text_char(text, '\\');
            text_char(text, (char)*p);
        } else if (*p < 0x20 || *p == 0x7f) {
            text_string(text, "\\u00");
            text_char(text, "0123456789abcdef"[*p >> 4]);
            text_char(text, "0123456789abcdef"[*p & 15]);
        } else {
            text_bytes(text, p, length);
        }
        p += length;
    }
    text_char(text, '"');
}

static void begin_value(struct json_writer *json, const char *key)
{
    if (!json->first)
        text_char(json->text, ',');
    json->first = false;
    if (key) {
        quoted(json->text, key);
        text_char(json->text, ':');
    }
}

void json_open(struct json_writer *json, const char *key, char bracket)
{
    begin_value(json, key);
    text_char(json->text, bracket);
    json->first = true;
}

void json_close(struct json_writer *json, char bracket)
{
    text_char(json->text, bracket);
    json->first = false;
}

void json_put_string(struct json_writer *json, const char *key, const char *value)
{
    begin_value(json, key);
    quoted(json->text, value);
}

void json_put_unsigned(struct json_writer *json, const char *key, uint64_t value)
{
    begin_value(json, key);
    text_unsigned(json->text, value);
}

void json_put_signed(struct json_writer *json, const char *key, int64_t value)
{
    begin_value(json, key);
    text_signed(json->text, value);
}

void json_put_bool(struct json_writer *json, const char *key, bool value)
{
    begin_value(json, key);
    text_string(json->text, value ? "true" : "false");
}

void json_put_hex(struct json_writer *json, const char *key, uint64_t value)
{
    begin_value(json, key);
    text_char(json->text, '"');
    text_hex(json->text, value);
    text_char(json->text, '"');
}

void json_put_milliseconds(struct json_writer *json, const char *key, uint64_t nanoseconds)
{
    begin_value(json, key);
    text_unsigned(json->text, nanoseconds / 1000000);
    text_char(json->text, '.');
    text_padded(json->text, nanoseconds / 1000 % 1000, 3);
}
