// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are a /tmp/perf-PID.map, which any program may write, of any size.
//   make fuzz [FUZZ_SECONDS=60]
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "explain/perf_map.h"
#include "seeds.h"

enum { NAMES = 16, STEP = 0x40 };

static int file = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char seed[] = "10000 40 LazyCompile:*tick app.js:3\n10040 3f py::f:/srv/a.py\n"
                               "0x10080 40 Ljava/lang/Object;::wait\r\n100c0 0 empty\nnonsense\n";
    (void)argc;
    (void)argv;
    write_seed(0, seed, sizeof seed - 1);
    file = memfd_create("map", MFD_CLOEXEC);
    return file < 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct perf_map_name names[NAMES];
    memset(names, 0, sizeof names);
    for (unsigned i = 0; i < NAMES; i++)
        names[i].pc = 0x10000 + i * STEP;
    if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size ||
        lseek(file, 0, SEEK_SET) != 0)
        abort();
    perf_map_read(file, names, NAMES);
    for (unsigned i = 0; i < NAMES; i++) {
        const char *end = memchr(names[i].name, '\0', sizeof names[i].name);
        if (!end || (names[i].name[0] && names[i].start > names[i].pc))
            abort();
        for (const char *at = names[i].name; at < end; at++)
            if ((unsigned char)*at < ' ')
                abort(); /* it goes to a terminal */
    }
    return 0;
}
