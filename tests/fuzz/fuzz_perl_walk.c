// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are the memory of a Perl, of which the line is read.
//   make fuzz [FUZZ_SECONDS=60]
// Byte 0 chooses the version; the rest is the image.
#include <string.h>

#include "perl_image.h"
#include "seeds.h"

enum { FIRST = 28, LAST = 42 };

static struct perl_image image;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static unsigned char seed[1 + PERL_IMAGE_SIZE];
    (void)argc;
    (void)argv;
    for (unsigned version = FIRST; version <= LAST; version += 2) {
        perl_image_build(&image, version);
        seed[0] = (unsigned char)(version - FIRST);
        memcpy(seed + 1, image.bytes, sizeof image.bytes);
        write_seed(version, seed, sizeof seed);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct perl_place place;
    if (size < 1)
        return 0;
    struct memory_reader reader = memory_reader_image(data + 1, PERL_IMAGE_ADDRESS, size - 1);
    struct perl_runtime runtime = image.runtime;
    runtime.layout = perl_layout_find(FIRST + data[0] % (LAST - FIRST + 1) / 2 * 2);
    memset(&place, 'x', sizeof place);
    if (perl_walk(&reader, &runtime, &place) &&
        (place.line <= 0 || place.file[0] == '\0' || place.function[0] == '\0' ||
         !memchr(place.file, '\0', sizeof place.file) ||
         !memchr(place.function, '\0', sizeof place.function)))
        abort();
    return 0;
}
