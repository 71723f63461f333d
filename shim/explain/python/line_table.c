// SPDX-License-Identifier: MIT
#include "explain/python/line_table.h"

#include <stdbool.h>
#include <string.h>

enum {
    BLOCK_SIZE = 512,
    TABLE_LIMIT = 64 << 10,
    NO_LINE_DELTA = -128, /* 3.10: this range belongs to no line */
};

/* The bytes of a table, read block by block. */
struct byte_stream {
    const struct memory_reader *reader;
    uintptr_t next;  /* address of the block after this one */
    size_t left;     /* bytes from there on */
    size_t at, have; /* in block */
    bool ended;      /* a byte was asked for that is not there */
    unsigned char block[BLOCK_SIZE];
};

static bool stream_open(struct byte_stream *stream, const struct python_offsets *offsets,
                        const struct memory_reader *reader, uintptr_t bytes)
{
    int64_t size;
    if (bytes == 0 || !memory_read(reader, bytes + offsets->bytes_size, &size, sizeof size) ||
        size < 0 || size > TABLE_LIMIT)
        return false;
    stream->reader = reader;
    stream->next = bytes + offsets->bytes_data;
    stream->left = (size_t)size;
    stream->at = stream->have = 0;
    stream->ended = false;
    return true;
}

static bool stream_fill(struct byte_stream *stream)
{
    if (stream->at < stream->have)
        return true;
    size_t want = stream->left < BLOCK_SIZE ? stream->left : BLOCK_SIZE;
    if (want == 0 || !memory_read(stream->reader, stream->next, stream->block, want))
        return false;
    stream->next += want;
    stream->left -= want;
    stream->at = 0;
    stream->have = want;
    return true;
}

static unsigned next_byte(struct byte_stream *stream)
{
    if (!stream_fill(stream)) {
        stream->ended = true;
        return 0;
    }
    return stream->block[stream->at++];
}

static int next_signed_byte(struct byte_stream *stream)
{
    int byte = (int)next_byte(stream);
    return byte < 128 ? byte : byte - 256;
}

static int line_or_none(int64_t line)
{
    return line > 0 && line <= INT32_MAX ? (int)line : 0;
}

/* Pairs (unsigned address increment, signed line increment). */
static int find_in_lnotab(struct byte_stream *stream, int first_line, int64_t instruction)
{
    int64_t line = first_line, address = 0;
    while (stream_fill(stream)) {
        address += next_byte(stream);
        if (address > instruction)
            break;
        line += next_signed_byte(stream);
    }
    return line_or_none(line);
}

/* Pairs (size of the range, signed line increment of the range). */
static int find_in_line_table(struct byte_stream *stream, int first_line, int64_t instruction)
{
    int64_t line = first_line, end = 0;
    while (stream_fill(stream)) {
        end += next_byte(stream);
        int delta = next_signed_byte(stream);
        if (delta != NO_LINE_DELTA)
            line += delta;
        if (end > instruction)
            return delta == NO_LINE_DELTA ? 0 : line_or_none(line);
    }
    return 0;
}

/* Six bits a byte, the least significant first; bit 6 says that another follows. */
static uint32_t next_varint(struct byte_stream *stream)
{
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 32; shift += 6) {
        unsigned byte = next_byte(stream);
        value |= (uint32_t)(byte & 0x3f) << shift;
        if (!(byte & 0x40))
            break;
    }
    return value;
}

static int64_t next_signed_varint(struct byte_stream *stream)
{
    uint32_t value = next_varint(stream);
    return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

/* Entries that start with a byte 1cccclll: kind c, length l + 1 code units; what follows up to the
 * next byte with bit 7 set depends on the kind. */
static int find_in_location_table(struct byte_stream *stream, int first_line, int64_t instruction)
{
    enum { ONE_LINE_0 = 10, ONE_LINE_2 = 12, NO_COLUMNS = 13, LONG = 14, NO_LOCATION = 15 };
    int64_t line = first_line, end = 0;
    while (stream_fill(stream)) {
        unsigned head = next_byte(stream);
        unsigned kind = (head >> 3) & 15;
        end += (int64_t)((head & 7) + 1) * 2;
        if (kind == NO_COLUMNS || kind == LONG)
            line += next_signed_varint(stream);
        else if (kind >= ONE_LINE_0 && kind <= ONE_LINE_2)
            line += kind - ONE_LINE_0;
        if (end > instruction)
            return kind == NO_LOCATION ? 0 : line_or_none(line);
        while (stream_fill(stream) && !(stream->block[stream->at] & 0x80))
            stream->at++;
    }
    return 0;
}

int python_line_find(const struct python_offsets *offsets, const struct memory_reader *reader,
                     uintptr_t table, int first_line, int64_t instruction)
{
    if (instruction < 0) /* not started yet */
        return line_or_none(first_line);
    struct byte_stream stream;
    if (!stream_open(&stream, offsets, reader, table))
        return 0;
    int line;
    switch (offsets->line_format) {
    case PYTHON_LNOTAB:
        line = find_in_lnotab(&stream, first_line, instruction);
        break;
    case PYTHON_LINE_TABLE:
        line = find_in_line_table(&stream, first_line, instruction);
        break;
    default:
        line = find_in_location_table(&stream, first_line, instruction);
        break;
    }
    return stream.ended ? 0 : line;
}
