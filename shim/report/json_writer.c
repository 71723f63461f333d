// SPDX-License-Identifier: MIT
#include "report/json_writer.h"

#include "base/utf8.h"

void json_begin(struct json_writer *json, struct text_buffer *text)
{
    json->text = text;
    json->first = true;
    json->reserve = json->longest = 0;
}

void json_cut_strings(struct json_writer *json, size_t longest, size_t reserve)
{
    json->longest = longest;
    json->reserve = reserve;
}

size_t json_space(const struct json_writer *json)
{
    return json->text->capacity - 1 - json->text->length;
}

static void escape(struct text_buffer *text, uint32_t character)
{
    text_string(text, "\\u");
    for (int shift = 12; shift >= 0; shift -= 4)
        text_char(text, "0123456789abcdef"[character >> shift & 15]);
}

static bool is_cut(const struct json_writer *json, size_t written)
{
    enum { LONGEST_CHARACTER = 6 };
    return json->longest > 0 &&
           (written >= json->longest || json_space(json) < json->reserve + LONGEST_CHARACTER);
}

static void quoted(struct json_writer *json, const char *value, bool may_be_cut)
{
    struct text_buffer *text = json->text;
    text_char(text, '"');
    size_t begin = text->length;
    while (*value && !(may_be_cut && is_cut(json, text->length - begin))) {
        uint32_t character;
        unsigned length = utf8_decode(value, &character);
        if (length == 0) {
            text_string(text, "\\ufffd");
            length = 1;
        } else if (character == '"' || character == '\\') {
            text_char(text, '\\');
            text_char(text, (char)character);
        } else if (!utf8_is_printable(character)) { /* all of them are below U+10000 */
            escape(text, character);
        } else {
            text_bytes(text, value, length);
        }
        value += length;
    }
    text_char(text, '"');
}

static void begin_value(struct json_writer *json, const char *key)
{
    if (!json->first)
        text_char(json->text, ',');
    json->first = false;
    if (key) {
        quoted(json, key, false);
        text_char(json->text, ':');
    }
}

size_t json_quoted_size(const char *value)
{
    size_t size = 2;
    while (*value) {
        uint32_t character;
        unsigned length = utf8_decode(value, &character);
        if (length == 0 || !utf8_is_printable(character))
            size += sizeof "\\ufffd" - 1;
        else
            size += character == '"' || character == '\\' ? 2 : length;
        value += length ? length : 1;
    }
    return size;
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
    quoted(json, value, true);
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
