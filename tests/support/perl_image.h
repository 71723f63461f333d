// SPDX-License-Identifier: MIT
/*
 * An image of memory that looks like a Perl of any known version in a function of a module: for
 * versions that are not installed, and to damage it.
 */
#ifndef PIPESHIM_TESTS_PERL_IMAGE_H
#define PIPESHIM_TESTS_PERL_IMAGE_H

#include "explain/perl/perl_walk.h"

enum { PERL_IMAGE_SIZE = 0x6000, PERL_IMAGE_ADDRESS = 0x100000 };

struct perl_image {
    _Alignas(16) unsigned char bytes[PERL_IMAGE_SIZE];
    struct perl_runtime runtime;
    /* The statements, innermost first, and the two stacks of contexts. */
    uintptr_t statements[3], inner_stack, outer_stack;
};

/* Builds the image of version 5.`version`. Innermost first: /usr/share/perl/5.36/IPC/Open3.pm:300
 * spawn; on an outer stack, inside of `eval {}`, /srv/app/deploy.pl:12 run; 20 outside of all. */
void perl_image_build(struct perl_image *image, unsigned version);

struct memory_reader perl_image_reader(const struct perl_image *image);

/* Overwrites the 8 bytes at `address` of the image. */
void perl_image_poke(struct perl_image *image, uintptr_t address, uint64_t value);

#endif
