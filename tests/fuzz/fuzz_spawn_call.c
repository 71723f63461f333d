// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are a JavaScript text, in which the call is sought that starts a
// program.
//   make fuzz [FUZZ_SECONDS=60]
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "explain/javascript/spawn_call.h"
#include "seeds.h"

static int file = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char seed[] =
        "// it's\nconst r = /[/'\"]/g, c = spawn('python3', [`server.py`], () => {"
        "exec('python3 server.py') })\n//# sourceMappingURL=x";
    (void)argc;
    (void)argv;
    write_seed(0, seed, sizeof seed - 1);
    file = memfd_create("script", MFD_CLOEXEC);
    return file < 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct command_words command = {
        .word = {"/usr/bin/python3", "server.py", "", "a b"}, .count = 4, .needed = 1};
    struct spawn_call call;
    int lines = 1;
    if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size ||
        lseek(file, 0, SEEK_SET) != 0)
        abort();
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    if (spawn_call_find(file, &command, &call) &&
        (call.line < 1 || call.line > lines || call.column < 1 || call.name[0] == '\0'))
        abort();
    return 0;
}
