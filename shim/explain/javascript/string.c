// SPDX-License-Identifier: MIT
#include "explain/javascript/string.h"

#include <string.h>

enum {
    DEPTH_LIMIT = 16,
    STEP_LIMIT = 128, /* strings that one is made of */
    LENGTH_LIMIT = 1 << 29,
    /* The representation, published as a mask only; these numbers are in all versions. */
    SEQUENTIAL = 0,
    JOINED = 1,
    EXTERNAL = 2,
    SLICED = 3,
    THIN = 5,
    UNCACHED_EXTERNAL = 0x10, /* its data may be reached through its resource only */
    REPLACEMENT = 0xfffd,
    ELLIPSIS_SIZE = 3,
};
static const char ellipsis[] = "\xe2\x80\xa6";

struct string_head {
    int32_t type;
    uint32_t length;
    unsigned width;
};

static bool read_head(struct v8_heap *heap, uint64_t string, struct string_head *head)
{
    const struct v8_constants *k = &heap->layout->published;
    if (!v8_type(heap, string, &head->type) || head->type >= k->first_nonstring_type ||
        !v8_field32(heap, string, k->string_length, &head->length) || head->length > LENGTH_LIMIT)
        return false;
    head->width = head->type & k->string_encoding_mask ? 1 : 2;
    return true;
}

/* The address of the characters of a string that has them as one piece; 0: it has not. */
static uintptr_t direct_data(struct v8_heap *heap, uint64_t string, const struct string_head *head)
{
    const struct v8_layout *layout = heap->layout;
    uint64_t data;
    switch (head->type & layout->published.string_representation_mask) {
    case SEQUENTIAL:
        return string - 1 +
               (uintptr_t)(head->width == 1 ? layout->published.string_one_byte_data
                                            : layout->published.string_two_byte_data);
    case EXTERNAL:
        if (head->type & UNCACHED_EXTERNAL ||
            !v8_field(heap, string, layout->string_external_data, &data))
            return 0;
        return data;
    default:
        return 0;
    }
}

/* One string of those that a string is made of. */
struct piece {
    uint64_t string;
    uint32_t start, count; /* its part */
};

struct unit_reader {
    struct v8_heap *heap;
    unsigned steps;
    uint32_t have;
    uint16_t units[V8_STRING_UNITS];
};

static bool read_flat(struct unit_reader *reader, const struct piece *piece, uintptr_t data,
                      unsigned width)
{
    if (piece->count > V8_STRING_UNITS - reader->have)
        return false;
    uint16_t *to = reader->units + reader->have;
    uintptr_t from = data + (uintptr_t)piece->start * width;
    if (!v8_read(reader->heap, from, to, (size_t)piece->count * width))
        return false;
    const unsigned char *bytes = (const unsigned char *)to;
    for (uint32_t i = piece->count; width == 1 && i > 0; i--)
        to[i - 1] = bytes[i - 1];
    reader->have += piece->count;
    return true;
}

static bool read_piece(struct unit_reader *reader, struct piece piece, unsigned depth);

static bool read_joined(struct unit_reader *reader, const struct piece *piece, unsigned depth)
{
    const struct v8_constants *k = &reader->heap->layout->published;
    struct string_head first_head;
    struct piece first = *piece, second = *piece;
    if (!v8_field(reader->heap, piece->string, k->string_cons_first, &first.string) ||
        !v8_field(reader->heap, piece->string, k->string_cons_second, &second.string) ||
        !read_head(reader->heap, first.string, &first_head))
        return false;
    uint32_t left = piece->start < first_head.length ? first_head.length - piece->start : 0;
    first.count = piece->count < left ? piece->count : left;
    second.count = piece->count - first.count;
    second.start = piece->start > first_head.length ? piece->start - first_head.length : 0;
    return (first.count == 0 || read_piece(reader, first, depth + 1)) &&
           (second.count == 0 || read_piece(reader, second, depth + 1));
}

static bool read_piece(struct unit_reader *reader, struct piece piece, unsigned depth)
{
    struct v8_heap *heap = reader->heap;
    const struct v8_constants *k = &heap->layout->published;
    struct string_head head;
    int32_t offset;
    if (depth > DEPTH_LIMIT || ++reader->steps > STEP_LIMIT ||
        !read_head(heap, piece.string, &head) || piece.start > head.length ||
        piece.count > head.length - piece.start)
        return false;
    switch (head.type & k->string_representation_mask) {
    case JOINED:
        return read_joined(reader, &piece, depth);
    case SLICED:
        if (!v8_smi_field(heap, piece.string, k->string_sliced_offset, &offset) || offset < 0 ||
            !v8_field(heap, piece.string, k->string_sliced_parent, &piece.string))
            return false;
        piece.start += (uint32_t)offset;
        return read_piece(reader, piece, depth + 1);
    case THIN:
        return v8_field(heap, piece.string, k->string_thin_actual, &piece.string) &&
               read_piece(reader, piece, depth + 1);
    default: {
        uintptr_t data = direct_data(heap, piece.string, &head);
        return data != 0 && read_flat(reader, &piece, data, head.width);
    }
    }
}

/* --- UTF-8 ------------------------------------------------------------------------------------ */

static bool is_high(uint16_t unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(uint16_t unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/* The character at `*at`, which is moved past it. */
static uint32_t next_character(const struct unit_reader *text, uint32_t *at)
{
    uint16_t unit = text->units[(*at)++];
    if (is_high(unit) && *at < text->have && is_low(text->units[*at]))
        return 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (text->units[(*at)++] - 0xdc00U);
    return unit == 0 || is_high(unit) || is_low(unit) ? (uint32_t)REPLACEMENT : unit;
}

static unsigned utf8_size(uint32_t code)
{
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

static unsigned utf8_put(char *to, uint32_t code)
{
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    unsigned size = utf8_size(code);
    if (size == 1) {
        to[0] = (char)code;
        return 1;
    }
    for (unsigned i = size - 1; i > 0; i--, code >>= 6)
        to[i] = (char)(0x80 | (code & 0x3f));
    to[0] = (char)(lead[size] | code);
    return size;
}

static size_t whole_size(const struct unit_reader *text)
{
    size_t size = 0;
    for (uint32_t at = 0; at < text->have;)
        size += utf8_size(next_character(text, &at));
    return size;
}

static void encode(const struct unit_reader *text, enum v8_string_keep keep, bool cut, char *to,
                   size_t capacity)
{
    size_t size = whole_size(text), length = 0, space = capacity - 1;
    uint32_t at = 0;
    cut = cut || size > space;
    if (cut)
        space -= ELLIPSIS_SIZE;
    while (keep == V8_STRING_KEEP_END && size > space)
        size -= utf8_size(next_character(text, &at));
    if (cut && keep == V8_STRING_KEEP_END) {
        memcpy(to, ellipsis, ELLIPSIS_SIZE);
        length = ELLIPSIS_SIZE;
        space += ELLIPSIS_SIZE;
    }
    while (at < text->have) {
        uint32_t code = next_character(text, &at);
        if (utf8_size(code) > space - length)
            break;
        length += utf8_put(to + length, code);
    }
    if (cut && keep == V8_STRING_KEEP_START) {
        memcpy(to + length, ellipsis, ELLIPSIS_SIZE);
        length += ELLIPSIS_SIZE;
    }
    to[length] = '\0';
}

bool v8_string(struct v8_heap *heap, uint64_t string, enum v8_string_keep keep, char *to,
               size_t capacity)
{
    struct unit_reader reader = {.heap = heap};
    struct string_head head;
    to[0] = '\0';
    if (!read_head(heap, string, &head))
        return false;
    struct piece whole = {string, 0, head.length};
    bool cut = head.length > V8_STRING_UNITS;
    if (cut) {
        whole.count = V8_STRING_UNITS;
        whole.start = keep == V8_STRING_KEEP_END ? head.length - whole.count : 0;
    }
    if (whole.count > 0 && !read_piece(&reader, whole, 0))
        return false;
    encode(&reader, keep, cut, to, capacity);
    return true;
}

/* --- Sources ---------------------------------------------------------------------------------- */

bool v8_string_locate(struct v8_heap *heap, uint64_t string, struct v8_text *text)
{
    const struct v8_constants *k = &heap->layout->published;
    struct string_head head, second;
    uint64_t tail, next;
    uint32_t start = 0;
    int32_t offset;
    if (!read_head(heap, string, &head))
        return false;
    text->length = head.length;
    for (unsigned depth = 0; depth < DEPTH_LIMIT; depth++) {
        switch (head.type & k->string_representation_mask) {
        case JOINED: /* flattened: its second half is empty */
            if (!v8_field(heap, string, k->string_cons_second, &tail) ||
                !read_head(heap, tail, &second) || second.length != 0 ||
                !v8_field(heap, string, k->string_cons_first, &next))
                return false;
            break;
        case SLICED:
            if (!v8_smi_field(heap, string, k->string_sliced_offset, &offset) || offset < 0 ||
                !v8_field(heap, string, k->string_sliced_parent, &next))
                return false;
            start += (uint32_t)offset;
            break;
        case THIN:
            if (!v8_field(heap, string, k->string_thin_actual, &next))
                return false;
            break;
        default:
            text->width = head.width;
            text->address = direct_data(heap, string, &head);
            if (text->address == 0 || start > head.length || text->length > head.length - start)
                return false;
            text->address += (uintptr_t)start * head.width;
            return true;
        }
        string = next;
        if (!read_head(heap, string, &head))
            return false;
    }
    return false;
}
