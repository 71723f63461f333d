// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are a source map; with another first byte a generated JavaScript file
// that names its map in a data: URL.
//   make fuzz [FUZZ_SECONDS=60]
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/names/source_map.h"
#include "seeds.h"

enum { KEPT = 9 }; /* more files than the tool keeps maps of */
#define NEVER_NEWER (INT64_MAX / 2)

static const char *const seeds[] = {
    "m{\"version\":3,\"sources\":[\"../src/a.ts\",\"b.ts\"],\"sourceRoot\":\"r\","
    "\"mappings\":\"AAAA,IACE;;ACAF,qBAA4B\"}",
    "m{\"version\":3,\"sections\":[{\"offset\":{\"line\":1,\"column\":2},\"map\":"
    "{\"version\":3,\"sources\":[\"webpack://x/./a.js\"],\"mappings\":\"AAAA\"}}]}",
    "m{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"gggggggggggggggB,AgggggggE\"}",
    "m{\"version\":3,\"sources\":[\"a\"],\"mappings\":\"\"}",
    "f//# sourceMappingURL=data:application/json;base64,eyJ2ZXJzaW9uIjozfQ==\n",
    "f//# sourceMappingURL=data:application/json,%7B%22version%22:3%7D\n",
    "f//@ sourceMappingURL=a.js.map\n",
};

static char path[64];
static int file = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (unsigned i = 0; i < sizeof seeds / sizeof *seeds; i++)
        write_seed(i, seeds[i], strlen(seeds[i]));
    file = memfd_create("a.js", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return file < 0;
}

static void check(const struct source_place *place)
{
    if (memchr(place->file, '\0', sizeof place->file) == NULL || place->line < 1 ||
        place->column < 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int numbers[] = {1, 2, 3, 5, 22, 1000, INT32_MAX};
    enum { COUNT = sizeof numbers / sizeof *numbers };
    static unsigned root;
    struct source_place place;
    if (size == 0)
        return 0;
    struct source_map *map = NULL;
    if (data[0] == 'f') {
        if (ftruncate(file, 0) != 0 || pwrite(file, data + 1, size - 1, 0) != (ssize_t)size - 1)
            abort();
        root = (root + 1) % KEPT;
    } else {
        map = source_map_parse((const char *)data + 1, size - 1, "/srv/dist/app.js");
        if (!map)
            return 0;
    }
    for (unsigned i = 0; i < COUNT * COUNT; i++) {
        int line = numbers[i / COUNT], column = numbers[i % COUNT];
        if (map ? source_map_find(map, line, column, &place)
                : source_place_find(&"/////////"[root], path, NEVER_NEWER, line, column, &place))
            check(&place);
    }
    source_map_free(map);
    return 0;
}
