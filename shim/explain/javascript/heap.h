// SPDX-License-Identifier: MIT
/*
 * Reading V8's heap: tagged words, objects of a proven type, and the bytes in them. Memory is read
 * by whole pages, which are kept for one walk: a stack needs some thousand words of some sixty
 * pages. Everything may be garbage: each function says whether what it gives was there.
 */
#ifndef PIPESHIM_EXPLAIN_JAVASCRIPT_HEAP_H
#define PIPESHIM_EXPLAIN_JAVASCRIPT_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "explain/javascript/layout.h"
#include "kernel/memory_reader.h"

enum {
    V8_PAGE_SIZE = 4096,
    V8_PAGES = 64,
    V8_READ_LIMIT = 4096,     /* pages that one walk may read: a few milliseconds at worst */
    V8_TABLE_LIMIT = 1 << 20, /* bytes of a bytecode array or a table of positions */
    V8_STREAM_BUFFER = 256,
    V8_TEXT_BUFFER = 16384, /* bytes of a script's text that are read at once */
};

/* Some 280 KiB, the caller's. One walk at a time. */
struct v8_heap {
    const struct memory_reader *memory;
    const struct v8_layout *layout;
    unsigned reads;
    unsigned last_page, next_page;    /* the one that was hit last; the one to be replaced next */
    uintptr_t page_address[V8_PAGES]; /* 1: none */
    unsigned char page[V8_PAGES][V8_PAGE_SIZE];
    unsigned char text[V8_TEXT_BUFFER];
};

/* Begins a walk: nothing that was read before counts. */
void v8_heap_begin(struct v8_heap *heap, const struct memory_reader *memory,
                   const struct v8_layout *layout);

/* Forgets the pages, but not how many were read. */
void v8_heap_forget(struct v8_heap *heap);

bool v8_read(struct v8_heap *heap, uintptr_t address, void *to, size_t size);

/* Whether `word` can be a (strong) pointer to an object. */
bool v8_is_pointer(uint64_t word);

/* A Smi: a number in the upper half of a word whose lower half is 0. */
bool v8_smi(uint64_t word, int32_t *value);

/* The word, 32 bits or 16 bits at an offset of an object. */
bool v8_field(struct v8_heap *heap, uint64_t object, int32_t offset, uint64_t *word);
bool v8_field32(struct v8_heap *heap, uint64_t object, int32_t offset, uint32_t *value);
bool v8_smi_field(struct v8_heap *heap, uint64_t object, int32_t offset, int32_t *value);

/* The object's type by its map, which must be a map: a collector that is moving the object leaves
 * its new address there instead. */
bool v8_type(struct v8_heap *heap, uint64_t object, int32_t *type);
bool v8_has_type(struct v8_heap *heap, uint64_t object, int32_t type);
/* The pointer in a field, if it leads to an object of that type. */
bool v8_object_field(struct v8_heap *heap, uint64_t object, int32_t offset, int32_t type,
                     uint64_t *value);
bool v8_is_function(struct v8_heap *heap, uint64_t object);
bool v8_is_context(struct v8_heap *heap, uint64_t object);
bool v8_is_string(struct v8_heap *heap, uint64_t object);
/* ByteArray, or since V8 12 TrustedByteArray: its bytes; at most V8_TABLE_LIMIT. */
bool v8_byte_array(struct v8_heap *heap, uint64_t object, uintptr_t *bytes, uint32_t *size);

/* Bytes one after the other, and the numbers of 7 bits a byte that V8's tables are made of. */
struct v8_stream {
    struct v8_heap *heap;
    uintptr_t next;
    uint32_t left; /* not yet in the buffer */
    uint32_t have, used;
    unsigned char buffer[V8_STREAM_BUFFER];
};

void v8_stream_begin(struct v8_stream *stream, struct v8_heap *heap, uintptr_t address,
                     uint32_t size);
bool v8_stream_ended(const struct v8_stream *stream);
bool v8_stream_byte(struct v8_stream *stream, uint8_t *byte);
bool v8_stream_skip(struct v8_stream *stream, uint32_t size);
/* Least significant bits first, bit 7: one more follows. */
bool v8_stream_unsigned(struct v8_stream *stream, uint64_t *value);
/* The same, zig-zag: 0, -1, 1, -2, … */
bool v8_stream_signed(struct v8_stream *stream, int64_t *value);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: no. */
#endif
