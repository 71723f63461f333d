// SPDX-License-Identifier: MIT
/*
 * An image of memory that looks like a CPython of any supported version with one blocked thread:
 * for versions that are not installed, and to damage it.
 */
#ifndef PIPESHIM_TESTS_PYTHON_IMAGE_H
#define PIPESHIM_TESTS_PYTHON_IMAGE_H

#include "explain/python/python_stack.h"
#include "kernel/memory_reader.h"

enum {
    PYTHON_IMAGE_SIZE = 0x9000,
    PYTHON_IMAGE_ADDRESS = 0x100000,
    PYTHON_IMAGE_TID = 4711,
    PYTHON_IMAGE_FRAMES = 3, /* that a traceback shows */
};

struct python_image {
    _Alignas(16) unsigned char bytes[PYTHON_IMAGE_SIZE];
    struct python_runtime runtime; /* found and ready */
    uintptr_t innermost_frame, middle_frame, outermost_frame, second_thread;
    uintptr_t innermost_pointer; /* where the thread says which frame it is in */
};

/* Builds the image of version 3.`minor` (8 to 14). Its frames are, innermost first:
 * 33 /srv/app/\u66f8\u304f.py \u66f8\u304f; 22 /srv/app/caf\u00e9.py caf\u00e9.write; 11
 * /srv/app/main.py <module>. From 3.11 a hidden helper frame lies between the first two, from 3.12
 * one of the interpreter between the last two. */
void python_image_build(struct python_image *image, unsigned minor);

/* A reader of the image, or of its first `size` bytes. */
struct memory_reader python_image_reader(const struct python_image *image, size_t size);

/* Overwrites the 8 bytes at `address` of the image. */
void python_image_poke(struct python_image *image, uintptr_t address, uint64_t value);

/* What 3.13 and later publish, in the order of 3.`layout`, with `version` and the flag. */
void python_image_publish(struct python_image *image, unsigned layout, uint64_t version,
                          bool free_threaded);

#endif
