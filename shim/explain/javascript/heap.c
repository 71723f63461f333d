// SPDX-License-Identifier: MIT
#include "explain/javascript/heap.h"

#include <string.h>

enum {
    NO_PAGE = 1, /* no page begins there */
    TAG = 1,
    TAG_MASK = 3,
};

void v8_heap_forget(struct v8_heap *heap)
{
    for (unsigned i = 0; i < V8_PAGES; i++)
        heap->page_address[i] = NO_PAGE;
    heap->last_page = heap->next_page = 0;
}

void v8_heap_begin(struct v8_heap *heap, const struct memory_reader *memory,
                   const struct v8_layout *layout)
{
    heap->memory = memory;
    heap->layout = layout;
    heap->reads = 0;
    v8_heap_forget(heap);
}

/* No user memory lies beyond 2^47, and none in the first page. */
static bool is_plausible_address(uint64_t address)
{
    return address >= V8_PAGE_SIZE && address < 1ULL << 47;
}

/* Into the place of the page that has been there for longest. */
static const unsigned char *read_page(struct v8_heap *heap, uintptr_t address)
{
    if (heap->reads >= V8_READ_LIMIT)
        return NULL;
    heap->reads++;
    unsigned i = heap->next_page++ % V8_PAGES;
    bool read = memory_read(heap->memory, address, heap->page[i], V8_PAGE_SIZE);
    heap->page_address[i] = read ? address : (uintptr_t)NO_PAGE;
    heap->last_page = i;
    return read ? heap->page[i] : NULL;
}

static const unsigned char *page_at(struct v8_heap *heap, uintptr_t address)
{
    /* Any page may be anywhere: with a place for each, two that are read by turns and share one
     * would be read again for every frame of a recursion. */
    unsigned i = heap->last_page;
    for (unsigned k = 0; heap->page_address[i] != address; k++) {
        if (k == V8_PAGES)
            return read_page(heap, address);
        i = k;
    }
    heap->last_page = i;
    return heap->page[i];
}

bool v8_read(struct v8_heap *heap, uintptr_t address, void *to, size_t size)
{
    if (!is_plausible_address(address) || size > V8_TABLE_LIMIT)
        return false;
    for (unsigned char *at = to; size > 0;) {
        size_t offset = address % V8_PAGE_SIZE;
        const unsigned char *page = page_at(heap, address - offset);
        if (page == NULL)
            return false;
        size_t part = V8_PAGE_SIZE - offset < size ? V8_PAGE_SIZE - offset : size;
        memcpy(at, page + offset, part);
        at += part;
        address += part;
        size -= part;
    }
    return true;
}

bool v8_is_pointer(uint64_t word)
{
    return (word & TAG_MASK) == TAG && is_plausible_address(word);
}

bool v8_smi(uint64_t word, int32_t *value)
{
    *value = (int32_t)(word >> 32);
    return (uint32_t)word == 0;
}

static bool read_field(struct v8_heap *heap, uint64_t object, int32_t offset, void *to, size_t size)
{
    return v8_is_pointer(object) && offset >= 0 &&
           v8_read(heap, object - TAG + (uintptr_t)offset, to, size);
}

bool v8_field(struct v8_heap *heap, uint64_t object, int32_t offset, uint64_t *word)
{
    return read_field(heap, object, offset, word, sizeof *word);
}

bool v8_field32(struct v8_heap *heap, uint64_t object, int32_t offset, uint32_t *value)
{
    return read_field(heap, object, offset, value, sizeof *value);
}

bool v8_smi_field(struct v8_heap *heap, uint64_t object, int32_t offset, int32_t *value)
{
    uint64_t word;
    return v8_field(heap, object, offset, &word) && v8_smi(word, value);
}

static bool map_type(struct v8_heap *heap, uint64_t map, int32_t *type)
{
    uint16_t value;
    if (!read_field(heap, map, heap->layout->published.map_instance_type, &value, sizeof value))
        return false;
    *type = value;
    return true;
}

bool v8_type(struct v8_heap *heap, uint64_t object, int32_t *type)
{
    uint64_t map, map_of_map;
    int32_t meta;
    return v8_field(heap, object, 0, &map) && v8_field(heap, map, 0, &map_of_map) &&
           map_type(heap, map_of_map, &meta) && meta == heap->layout->published.type_map &&
           map_type(heap, map, type);
}

bool v8_has_type(struct v8_heap *heap, uint64_t object, int32_t type)
{
    int32_t found;
    return v8_type(heap, object, &found) && found == type;
}

bool v8_object_field(struct v8_heap *heap, uint64_t object, int32_t offset, int32_t type,
                     uint64_t *value)
{
    return v8_field(heap, object, offset, value) && v8_has_type(heap, *value, type);
}

bool v8_is_function(struct v8_heap *heap, uint64_t object)
{
    int32_t type;
    return v8_type(heap, object, &type) && type >= heap->layout->first_function_type &&
           type <= heap->layout->last_function_type;
}

bool v8_is_context(struct v8_heap *heap, uint64_t object)
{
    int32_t type;
    return v8_type(heap, object, &type) && type >= heap->layout->published.first_context_type &&
           type <= heap->layout->published.last_context_type;
}

bool v8_is_string(struct v8_heap *heap, uint64_t object)
{
    int32_t type;
    return v8_type(heap, object, &type) && type < heap->layout->published.first_nonstring_type;
}

bool v8_byte_array(struct v8_heap *heap, uint64_t object, uintptr_t *bytes, uint32_t *size)
{
    const struct v8_constants *k = &heap->layout->published;
    int32_t type, length;
    if (!v8_type(heap, object, &type) ||
        (type != k->type_byte_array && type != k->type_trusted_byte_array) ||
        !v8_smi_field(heap, object, k->array_length, &length) || length < 0 ||
        length > V8_TABLE_LIMIT)
        return false;
    *bytes = object - TAG + (uintptr_t)k->array_data;
    *size = (uint32_t)length;
    return true;
}

void v8_stream_begin(struct v8_stream *stream, struct v8_heap *heap, uintptr_t address,
                     uint32_t size)
{
    stream->heap = heap;
    stream->next = address;
    stream->left = size;
    stream->have = stream->used = 0;
}

bool v8_stream_ended(const struct v8_stream *stream)
{
    return stream->used == stream->have && stream->left == 0;
}

static bool refill(struct v8_stream *stream)
{
    uint32_t size = stream->left < V8_STREAM_BUFFER ? stream->left : V8_STREAM_BUFFER;
    if (size == 0 || !v8_read(stream->heap, stream->next, stream->buffer, size))
        return false;
    stream->next += size;
    stream->left -= size;
    stream->have = size;
    stream->used = 0;
    return true;
}

bool v8_stream_byte(struct v8_stream *stream, uint8_t *byte)
{
    if (stream->used == stream->have && !refill(stream))
        return false;
    *byte = stream->buffer[stream->used++];
    return true;
}

bool v8_stream_skip(struct v8_stream *stream, uint32_t size)
{
    uint8_t byte;
    for (; size > 0; size--)
        if (!v8_stream_byte(stream, &byte))
            return false;
    return true;
}

bool v8_stream_unsigned(struct v8_stream *stream, uint64_t *value)
{
    uint8_t byte = 0x80;
    *value = 0;
    for (unsigned shift = 0; byte & 0x80; shift += 7) {
        if (shift > 63 || !v8_stream_byte(stream, &byte))
            return false;
        *value |= (uint64_t)(byte & 0x7f) << shift;
    }
    return true;
}

bool v8_stream_signed(struct v8_stream *stream, int64_t *value)
{
    uint64_t coded;
    if (!v8_stream_unsigned(stream, &coded))
        return false;
    *value = (int64_t)(coded >> 1 ^ (0 - (coded & 1)));
    return true;
}
