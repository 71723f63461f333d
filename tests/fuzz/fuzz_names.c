// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are a function's symbol, as any file has it, and the space for its
// name; or what a process was started with, in which its script is looked for.
//   make fuzz [FUZZ_SECONDS=60]
#include <string.h>

#include "base/script_name.h"
#include "cli/names/demangle.h"
#include "seeds.h"

enum { LEAST_SPACE = 32 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const seeds[] = {
        "\x10_ZN3app5QueueISt6vectorIiSaIiEEE4pushERKi",
        "\xff_ZNSt3mapISsSt4pairIiiESt4lessISsESaIS1_EEixERKSs.constprop.0",
        "\x20_ZN4core3ptr85drop_in_place$LT$std..rt..lang_start$LT$$LP$$RP$$GT$"
        "17h0123456789abcdefE",
        "\x20_RNvMs_NtCs4fqI2P2rA04_5alloc3vecINtB4_3VecReE4push",
        "\x08_ZN3app3ru",
        "\x08"
        "engine+0x1234 _ZN3app3runEv",
        "\x01python3\n-W\nignore\n-m\nhttp.server\n",
        "\x01/usr/bin/env\nnode\n--require\nx\ns.js\n",
        "\x01sh\n-c\nexec x\n",
    };
    (void)argc;
    (void)argv;
    for (unsigned i = 0; i < sizeof seeds / sizeof *seeds; i++)
        write_seed(i, seeds[i], strlen(seeds[i]));
    return 0;
}

static const char *next_line(void *context)
{
    char **at = context;
    return *at ? strsep(at, "\n") : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = as_string(data + 1, size - 1), *at = text;
    size_t space = LEAST_SPACE + data[0];
    char *name = malloc(space); /* of just that size: AddressSanitizer sees one byte more */
    if (!name)
        abort();
    if (demangle(text, name, space) && strlen(name) >= space)
        abort();
    if (demangle_last_word(text, name, space) && strlen(name) >= space)
        abort();
    script_argument(next_line, &at);
    free(name);
    free(text);
    return 0;
}
