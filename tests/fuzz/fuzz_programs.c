// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are the file of a program that somebody wants to start, an ELF file
// or a script; or the seccomp filter that a program puts itself under.
//   make fuzz [FUZZ_SECONDS=60]
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/program.h"
#include "seeds.h"
#include "watch/seccomp_evaluate.h"

static char path[64];
static int file = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 39, 0, 1),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 16), BPF_STMT(BPF_ST, 3),
        BPF_STMT(BPF_LDX | BPF_MEM, 3),         BPF_STMT(BPF_ALU | BPF_AND | BPF_X, 0),
        BPF_STMT(BPF_RET | BPF_K, 0x7fff0000),
    };
    static const char scripts[] = "p#!/usr/bin/env -S sh -e\n";
    char seed[4097] = "f";
    (void)argc;
    (void)argv;
    memcpy(seed + 1, filter, sizeof filter);
    write_seed(0, seed, sizeof filter + 1);
    write_seed(1, scripts, sizeof scripts - 1);
    FILE *program = fopen("/bin/true", "re");
    if (program) {
        seed[0] = 'p';
        write_seed(2, seed, fread(seed + 1, 1, sizeof seed - 1, program) + 1);
        fclose(program);
    }
    file = memfd_create("program", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return file < 0;
}

static void ask_of_program(const uint8_t *data, size_t size)
{
    struct program program;
    if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size)
        abort();
    program_find(path, &program);
    if (!memchr(program.loader, '\0', sizeof program.loader) ||
        !memchr(program.path, '\0', sizeof program.path))
        abort();
    program_has_glibc(&program);
}

/* Whatever is called with whatever is known of it. What is not valid is followed as well: it must
 * not lead out of the program or of memory. */
static void ask_of_filter(const uint8_t *data, size_t size)
{
    struct sock_filter steps[512];
    struct sock_fprog filter = {.filter = steps};
    size_t count = size / sizeof *steps;
    filter.len = (unsigned short)(count < 512 ? count : 512);
    memcpy(steps, data, filter.len * sizeof *steps);
    bool valid = seccomp_is_valid(&filter);
    for (int number = 0; number < 40; number += 13)
        for (unsigned known = 0; known < 64; known += 21) {
            struct kernel_call call = {number, known, {1, 2, UINT64_MAX, 4, 5, 6}};
            seccomp_evaluate(&filter, &call);
            if (seccomp_outcomes(&filter, &call) == 0 && valid)
                abort(); /* a filter always has an answer */
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 'f')
        ask_of_filter(data + 1, size - 1);
    else if (size > 0)
        ask_of_program(data + 1, size - 1);
    return 0;
}
