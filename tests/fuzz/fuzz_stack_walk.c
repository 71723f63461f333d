// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are a program's memory: one file with code, which is mapped at IMAGE,
// and a stack behind it. A thread of it is unwound by its tables, by frame pointers and by looking
// for one, with the instructions that prove a return address.
//   make fuzz [FUZZ_SECONDS=60]
// Byte 0 to 7 choose registers and where the stack begins.
#include <link.h>
#include <string.h>

#include "explain/called_function.h"
#include "explain/unwinder.h"
#include "seeds.h"

enum { IMAGE = 0x100000, CONTROL = 8, FILE_SIZE = 0x1000, DEPTH = 64 };
#if defined(__x86_64__)
enum { AFTER_CALL = 12 };
#else
enum { AFTER_CALL = 4 };
#endif

static struct stack_snapshot snapshot;
static struct stack_trace trace;
static struct mapped_file file = {.start = IMAGE, .end = IMAGE + FILE_SIZE, .path = "/bin/x"};
static const struct modules modules = {.pid = 1, .files = &file, .file_count = 1};

/* An ELF header with one segment of code, calls in it, and records of frames that return there. */
static void write_program(unsigned number, uint8_t known)
{
    static struct {
        uint8_t control[CONTROL];
        union {
            uint8_t bytes[FILE_SIZE];
            struct {
                Elf64_Ehdr header;
                Elf64_Phdr code;
            } elf;
        } file;
        uint64_t stack[64];
    } seed;
    seed.file.elf.header = (Elf64_Ehdr){.e_ident = ELFMAG "\x02\x01\x01",
                                        .e_phoff = sizeof(Elf64_Ehdr),
                                        .e_phentsize = sizeof(Elf64_Phdr),
                                        .e_phnum = 1};
    seed.file.elf.code = (Elf64_Phdr){
        .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_memsz = FILE_SIZE, .p_filesz = FILE_SIZE};
    for (unsigned at = 0x400; at < FILE_SIZE - 32; at += 32) {
#if defined(__x86_64__)
        /* sub $64,%rsp; call the stub behind it: endbr64; bnd jmp *8(%rip) */
        static const uint8_t code[32] = {0x48, 0x81, 0xec, 0x40, 0,    0,    0,    0xe8,
                                         4,    0,    0,    0,    0xff, 0xd0, 0x90, 0x90,
                                         0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 8};
#else
        /* bl the stub behind it; blr; mov x8, #139; svc #0 */
        static const uint32_t code[8] = {0x94000004, 0xd63f0000, 0xd2801168, 0xd4000001,
                                         0xd503245f, 0x90000010, 0xf9400211, 0xd61f0220};
#endif
        memcpy(seed.file.bytes + at, code, sizeof code);
    }
    for (unsigned i = 0; i + 3 < 64; i += 2) {
        seed.stack[i] = IMAGE + FILE_SIZE + (i + 2) * 8;
        seed.stack[i + 1] = IMAGE + 0x400 + AFTER_CALL + i * 16;
    }
    seed.control[0] = known;
    seed.control[3] = 0x40;
    write_seed(number, &seed, sizeof seed);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    write_program(0, REGISTERS_ALL);
    write_program(1, REGISTERS_PC_SP);
    write_program(2, REGISTERS_PC_SP_FP);
    return 0;
}

static void walk(const struct memory_reader *memory, unsigned depth)
{
    unwind_snapshot(&snapshot, &modules, memory, depth, &trace);
    unsigned most = depth < STACK_DEPTH_LIMIT ? depth : STACK_DEPTH_LIMIT;
    if (trace.count == 0 || trace.count > (most > 1 ? most : 1))
        abort();
    for (unsigned i = 0; i < trace.count; i++) {
        uintptr_t function;
        called_function(&snapshot, memory, trace.pc[i], &function);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < CONTROL)
        return 0;
    struct memory_reader memory = memory_reader_image(data + CONTROL, IMAGE, size - CONTROL);
    uint64_t sp = IMAGE + FILE_SIZE + data[1] * 8ULL;
    uint64_t pc = IMAGE + (data[2] | (uint64_t)(data[3] & 0x7f) << 4);
    uint64_t frame_pointer = sp + data[4] * 8ULL;
    struct saved_registers registers = {.pc = pc, .sp = sp};
#if defined(__x86_64__)
    registers.rbp = frame_pointer;
    registers.rbx = data[5] * 0x1000ULL;
#else
    registers.fp = frame_pointer;
    registers.lr = IMAGE + data[5] * 16ULL;
#endif
    bool taken = data[0] % 3 == REGISTERS_PC_SP
                     ? stack_snapshot_take_pc_sp(&memory, pc, sp, &snapshot)
                 : data[0] % 3 == REGISTERS_PC_SP_FP
                     ? stack_snapshot_take_at_entry(&memory, &registers, &snapshot)
                     : stack_snapshot_take(&memory, &registers, &snapshot);
    if (taken)
        walk(&memory, data[6] ? data[6] : DEPTH);
    return 0;
}
