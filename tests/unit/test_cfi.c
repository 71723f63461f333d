// SPDX-License-Identifier: MIT
/*
 * explain/cfi piece by piece, on tables made here: DWARF expressions, call frame instructions, the
 * search, signal frames. What whole tables of real objects say is compared with libunwind and
 * readelf elsewhere.
 */
#include <execinfo.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "explain/cfi/cfi_program.h"
#include "explain/cfi/dwarf_expression.h"
#include "explain/cfi/frame_search.h"
#include "explain/cfi/frame_step.h"
#include "explain/cfi/signal_frame.h"
#include "explain/modules.h"
#include "explain/unwinder.h"
#include "slots/capture_registers.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

enum { IMAGE = 0x100000, IMAGE_SIZE = 8192, CODE = IMAGE + 4096 };

static unsigned char image[IMAGE_SIZE];
static struct stack_snapshot snapshot;
static struct memory_reader reader;
static const struct unwind_memory memory = {.snapshot = &snapshot, .reader = &reader};
static const struct unwind_tables plain = {
    .low = IMAGE, .high = IMAGE + IMAGE_SIZE, .eh_frame = IMAGE};
static const struct unwind_tables with_header = {
    .low = IMAGE, .high = IMAGE + IMAGE_SIZE, .eh_frame_hdr = IMAGE};

static int set_up(void **state)
{
    (void)state;
    memset(image, 0, sizeof(image));
    reader = memory_reader_image(image, IMAGE, sizeof(image));
    stack_snapshot_begin(&snapshot);
    return 0;
}

/* --- Expressions --------------------------------------------------------------------------------
 */

struct expression_case {
    const char *name;
    unsigned char code[24];
    unsigned size;
    uint64_t result;
};

static void make_registers(struct cfi_registers *registers)
{
    registers->known = 0;
    for (unsigned i = 0; i < CFI_REGISTERS; i++)
        cfi_set(registers, i, 0x1000 + i);
    cfi_set(registers, CFI_SP, IMAGE + 1024);
    registers->known &= ~1ULL; /* register 0 is not known */
}

static bool evaluate(const unsigned char *code, unsigned size, const uint64_t *initial,
                     uint64_t *result, int *missing)
{
    struct cfi_registers registers;
    make_registers(&registers);
    image[0] = (unsigned char)size;
    memcpy(image + 1, code, size);
    stack_snapshot_begin(&snapshot);
    return expression_evaluate(&memory, IMAGE, IMAGE + IMAGE_SIZE, &registers, initial, result,
                               missing);
}

static void test_expressions(void **state)
{
    (void)state;
    static const struct expression_case cases[] = {
        {"lit31", {0x4f}, 1, 31},
        {"addr", {0x03, 1, 2, 3, 4, 5, 6, 7, 8}, 9, 0x0807060504030201},
        {"const1u", {0x08, 0xff}, 2, 255},
        {"const1s", {0x09, 0xff}, 2, UINT64_MAX},
        {"const2u", {0x0a, 0xfe, 0xff}, 3, 0xfffe},
        {"const2s", {0x0b, 0xfe, 0xff}, 3, (uint64_t)-2},
        {"const4u", {0x0c, 0, 0, 0, 0x80}, 5, 0x80000000},
        {"const4s", {0x0d, 0, 0, 0, 0x80}, 5, 0xffffffff80000000},
        {"const8u", {0x0e, 1, 0, 0, 0, 0, 0, 0, 0x80}, 9, 0x8000000000000001},
        {"constu", {0x10, 0xe5, 0x8e, 0x26}, 4, 624485},
        {"consts", {0x11, 0xc0, 0xbb, 0x78}, 4, (uint64_t)-123456},
        {"dup", {0x35, 0x12, 0x22}, 3, 10},
        {"drop", {0x35, 0x36, 0x13}, 3, 5},
        {"over", {0x35, 0x36, 0x14, 0x1c}, 4, 1},
        {"pick", {0x35, 0x36, 0x37, 0x15, 2}, 5, 5},
        {"swap", {0x35, 0x33, 0x16, 0x1c}, 4, (uint64_t)-2},
        /* 1 2 3 becomes 3 1 2: 3 - (1 - 2) */
        {"rot", {0x31, 0x32, 0x33, 0x17, 0x1c, 0x1c}, 6, 4},
        {"abs", {0x09, 0xf0, 0x19}, 3, 16},
        {"and", {0x3c, 0x36, 0x1a}, 3, 4},
        {"div", {0x09, 0xf9, 0x32, 0x1b}, 4, (uint64_t)-3},
        {"div of the smallest by -1",
         {0x0e, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x09, 0xff, 0x1b},
         12,
         0x8000000000000000},
        {"mod", {0x3b, 0x34, 0x1d}, 3, 3},
        {"mul", {0x3b, 0x34, 0x1e}, 3, 44},
        {"neg", {0x31, 0x1f}, 2, UINT64_MAX},
        {"not", {0x30, 0x20}, 2, UINT64_MAX},
        {"or", {0x38, 0x33, 0x21}, 3, 11},
        {"plus_uconst", {0x31, 0x23, 0x80, 0x01}, 4, 129},
        {"shl", {0x31, 0x34, 0x24}, 3, 16},
        {"shl by 64", {0x31, 0x08, 64, 0x24}, 4, 0},
        {"shr", {0x09, 0xff, 0x08, 60, 0x25}, 5, 15},
        {"shra", {0x09, 0x80, 0x34, 0x26}, 4, (uint64_t)-8},
        {"shra by 64", {0x09, 0x80, 0x08, 64, 0x26}, 5, UINT64_MAX},
        {"xor", {0x3f, 0x35, 0x27}, 3, 10},
        {"eq", {0x31, 0x31, 0x29}, 3, 1},
        {"ge is signed", {0x09, 0xff, 0x30, 0x2a}, 4, 0},
        {"gt", {0x32, 0x31, 0x2b}, 3, 1},
        {"le", {0x32, 0x31, 0x2c}, 3, 0},
        {"lt", {0x09, 0xff, 0x30, 0x2d}, 4, 1},
        {"ne", {0x32, 0x31, 0x2e}, 3, 1},
        {"skip", {0x31, 0x2f, 1, 0, 0x1f, 0x32, 0x22}, 7, 3},
        {"bra taken", {0x35, 0x31, 0x28, 1, 0, 0x1f}, 6, 5},
        {"bra not taken", {0x35, 0x30, 0x28, 1, 0, 0x1f}, 6, (uint64_t)-5},
        /* 3, then 1 less as long as it is not 0 */
        {"bra back", {0x33, 0x31, 0x1c, 0x12, 0x28, 0xfa, 0xff}, 7, 0},
        {"reg", {0x51}, 1, 0x1001},
        {"breg", {0x72, 0x7f}, 2, 0x1001},
        {"regx", {0x90, 3}, 2, 0x1003},
        {"bregx", {0x92, 4, 0x10}, 3, 0x1014},
        {"nop", {0x31, 0x96}, 2, 1},
        {"deref", {0x0c, 8, 0, 0x10, 0, 0x06}, 6, 0xf1f2f3f4f5f6f7f8},
        {"deref_size", {0x0c, 8, 0, 0x10, 0, 0x94, 2}, 7, 0xf7f8},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t result = 0, word = 0xf1f2f3f4f5f6f7f8;
        int missing;
        memcpy(image + 32, &word, 8);
        unsigned char code[32];
        memcpy(code, cases[i].code, sizeof(cases[i].code));
        if (code[0] == 0x0c && code[3] == 0x10)
            code[1] = 32; /* the address of that word */
        if (!evaluate(code, cases[i].size, NULL, &result, &missing) || result != cases[i].result)
            fail_msg("%s: expected %#lx, got %#lx", cases[i].name, (unsigned long)cases[i].result,
                     (unsigned long)result);
        memset(image, 0, 64);
    }
}

static void test_expression_starts_with_frame_address(void **state)
{
    (void)state;
    static const unsigned char code[] = {0x23, 8}; /* plus_uconst 8 */
    uint64_t cfa = 0x7000, result;
    int missing;
    assert_true(evaluate(code, sizeof(code), &cfa, &result, &missing));
    assert_int_equal(result, 0x7008);
}

static void test_expressions_that_fail(void **state)
{
    (void)state;
    static const struct expression_case cases[] = {
        {"empty", {0}, 0, 0},
        {"nothing to pop", {0x22}, 1, 0},
        {"pick too deep", {0x31, 0x15, 1}, 3, 0},
        {"unknown operation", {0x31, 0xe0}, 2, 0},
        {"division by zero", {0x31, 0x30, 0x1b}, 3, 0},
        {"modulo zero", {0x31, 0x30, 0x1d}, 3, 0},
        {"no memory there", {0x31, 0x06}, 2, 0},
        {"nine bytes", {0x0c, 8, 0, 0x10, 0, 0x94, 9}, 7, 0},
        {"operand past the end", {0x0e, 1, 2}, 3, 0},
        {"skip past the end", {0x31, 0x2f, 1, 0}, 4, 0},
        {"skip before the start", {0x31, 0x2f, 0xf0, 0xff}, 4, 0},
        {"endless", {0x31, 0x96, 0x2f, 0xfc, 0xff}, 5, 0},
        {"overflow", {0x31, 0x2f, 0xfc, 0xff}, 4, 0},
        {"register without a rule", {0x92, 0x80, 0x02, 0}, 4, 0},
        {"endless number",
         {0x10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0},
         12,
         0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t result;
        int missing;
        if (evaluate(cases[i].code, cases[i].size, NULL, &result, &missing) || missing != -1)
            fail_msg("%s: expected a failure", cases[i].name);
    }
    static const unsigned char unknown[] = {0x70, 0};
    uint64_t result;
    int missing;
    assert_false(evaluate(unknown, sizeof(unknown), NULL, &result, &missing));
    assert_int_equal(missing, 0);
}

/* --- Tables -------------------------------------------------------------------------------------
 */

static void put32(unsigned at, uint32_t value)
{
    memcpy(image + at, &value, sizeof(value));
}

/* A CIE at offset `at`, version 1, "zR" with pc-relative 4 bytes; returns where the next is. */
static unsigned put_common(unsigned at, const unsigned char *code, unsigned size)
{
    static const unsigned char head[] = {0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, CFI_PC, 1, 0x1b};
    memcpy(image + at + 4, head, sizeof(head));
    memcpy(image + at + 4 + sizeof(head), code, size);
    put32(at, (uint32_t)sizeof(head) + size);
    return at + 4 + (unsigned)sizeof(head) + size;
}

static unsigned put_code(unsigned at, unsigned common, uintptr_t start, uint32_t size,
                         const unsigned char *code, unsigned code_size)
{
    put32(at, 13 + code_size);
    put32(at + 4, at + 4 - common);
    put32(at + 8, (uint32_t)(start - (IMAGE + at + 8)));
    put32(at + 12, size);
    image[at + 16] = 0;
    memcpy(image + at + 17, code, code_size);
    return at + 17 + code_size;
}

/* def_cfa r7 + 8, return address at cfa - 8 */
static const unsigned char common_code[] = {0x0c, 7, 8, 0x80 | CFI_PC, 1};

static void test_program(void **state)
{
    (void)state;
    static const unsigned char code[] = {
        0x41, 0x0e, 16,               /* +1: cfa offset 16 */
        0x83, 2,                      /* r3 at cfa - 16 */
        0x41, 0x0a,                   /* +2: remember */
        0x0d, 6,                      /* cfa register r6 */
        0x14, 5,    3,                /* r5 is cfa - 24 */
        0x09, 4,    1,                /* r4 is in r1 */
        0x08, 2,                      /* r2 as it was */
        0x07, 1,                      /* r1 undefined */
        0x2e, 0x20,                   /* the size of arguments: of no interest */
        0x02, 8,    0xc3,             /* +10: r3 as the common part left it: unspecified */
        0x13, 0x7d,                   /* cfa offset, signed: -3 * -8 */
        0x41, 0x0b,                   /* +11: as remembered at 2 */
        0x10, 5,    1,    0x30,       /* r5 saved where an expression says */
        0x16, 4,    1,    0x31,       /* r4 is what an expression says */
        0x03, 0x10, 0x00,             /* +27 */
        0x0f, 2,    0x77, 8,          /* cfa by an expression */
        0x11, 3,    0x7e,             /* r3, signed: at cfa + 16 */
        0x05, 0x30, 1,    0x06, 0x30, /* a register of which no rule is kept */
        0x2f, 5,    2,                /* r5, the old way: at cfa + 16 */
    };
    unsigned at = put_common(0, common_code, sizeof(common_code));
    put_code(at, 0, CODE, 64, code, sizeof(code));
    struct frame_entry entry;
    assert_true(frame_search(&memory, &plain, CODE, &entry));
    assert_int_equal(entry.start, CODE);
    assert_int_equal(entry.end, CODE + 64);

    struct cfi_row row;
    assert_true(cfi_row_at(&memory, &entry, CODE, &row));
    assert_int_equal(row.start, CODE);
    assert_int_equal(row.end, CODE + 1);
    assert_true(row.cfa_register == 7 && row.cfa_offset == 8 && row.cfa_expression == 0);
    assert_true(row.rule[CFI_PC] == CFI_OFFSET && row.value[CFI_PC] == -8);
    assert_int_equal(row.rule[3], CFI_UNSPECIFIED);

    assert_true(cfi_row_at(&memory, &entry, CODE + 9, &row));
    assert_int_equal(row.start, CODE + 2);
    assert_int_equal(row.end, CODE + 10);
    assert_true(row.cfa_register == 6 && row.cfa_offset == 16);
    assert_true(row.rule[3] == CFI_OFFSET && row.value[3] == -16);
    assert_true(row.rule[5] == CFI_VAL_OFFSET && row.value[5] == -24);
    assert_true(row.rule[4] == CFI_REGISTER && row.value[4] == 1);
    assert_int_equal(row.rule[2], CFI_SAME);
    assert_int_equal(row.rule[1], CFI_UNDEFINED);

    assert_true(cfi_row_at(&memory, &entry, CODE + 10, &row));
    assert_int_equal(row.rule[3], CFI_UNSPECIFIED);
    assert_int_equal(row.cfa_offset, 24);

    assert_true(cfi_row_at(&memory, &entry, CODE + 26, &row));
    assert_true(row.cfa_register == 7 && row.cfa_offset == 16);
    assert_true(row.rule[3] == CFI_OFFSET && row.rule[2] == CFI_UNSPECIFIED);
    assert_int_equal(row.rule[5], CFI_EXPRESSION);
    assert_int_equal(row.rule[4], CFI_VAL_EXPRESSION);

    assert_true(cfi_row_at(&memory, &entry, CODE + 63, &row));
    assert_int_equal(row.end, CODE + 64);
    assert_true(row.cfa_expression != 0);
    assert_true(row.rule[3] == CFI_OFFSET && row.value[3] == 16);
    assert_true(row.rule[5] == CFI_OFFSET && row.value[5] == 16);
}

static void test_programs_that_fail(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned char code[8];
        unsigned size;
    } cases[] = {
        {"unknown instruction", {0x3f}, 1},
        {"operand past the end", {0x0c, 7}, 2},
        {"restored and never remembered", {0x0b}, 1},
        {"remembered without end", {0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a}, 8},
        {"offset of an expression", {0x0f, 1, 0x30, 0x0e, 8}, 5},
        {"block past the end", {0x10, 3, 0x7f, 0x30}, 4},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        set_up(state);
        unsigned char code[9] = {0};
        memcpy(code, cases[i].code, sizeof(cases[i].code));
        code[cases[i].size] = 0x0a;
        bool remembers = cases[i].size == 8;
        unsigned at = put_common(0, common_code, sizeof(common_code));
        put_code(at, 0, CODE, 64, code, cases[i].size + remembers);
        struct frame_entry entry;
        struct cfi_row row;
        assert_true(frame_search(&memory, &plain, CODE, &entry));
        if (cfi_row_at(&memory, &entry, CODE, &row))
            fail_msg("%s: expected a failure", cases[i].name);
    }
}

static void test_step(void **state)
{
    (void)state;
    static const unsigned char code[] = {0x0e, 32, 0x83, 3, 0x86, 2};
    unsigned at = put_common(0, common_code, sizeof(common_code));
    put_code(at, 0, CODE, 64, code, sizeof(code));
    struct frame_entry entry;
    assert_true(frame_search(&memory, &plain, CODE, &entry));

    struct cfi_registers registers = {.known = 0};
    uint64_t stack[4] = {0x11, 0x22, 0x33, 0xc0de};
    memcpy(image + 2048, stack, sizeof(stack));
    cfi_set(&registers, 7, IMAGE + 2048);
    cfi_set(&registers, CFI_SP, IMAGE + 2048);
    cfi_set(&registers, CFI_PC, CODE + 4);
    int missing;
    assert_int_equal(frame_step(&memory, &entry, false, &registers, &missing), FRAME_STEP_CALLER);
    assert_int_equal(registers.value[CFI_PC], 0xc0de);
    assert_int_equal(registers.value[3], 0x22);
    assert_int_equal(registers.value[6], 0x33);
#if defined(__x86_64__)
    assert_int_equal(registers.value[CFI_SP], IMAGE + 2048 + 32);
#endif
    assert_false(cfi_is_known(&registers, 1)); /* a caller does not get those back */
    assert_false(cfi_is_known(&registers, CFI_REGISTERS));
}

static void test_step_without_a_register(void **state)
{
    (void)state;
    static const unsigned char code[] = {0x0d, CFI_FP};
    unsigned at = put_common(0, common_code, sizeof(common_code));
    put_code(at, 0, CODE, 64, code, sizeof(code));
    struct frame_entry entry;
    assert_true(frame_search(&memory, &plain, CODE, &entry));
    struct cfi_registers registers = {.known = 0}, before;
    cfi_set(&registers, CFI_SP, IMAGE + 2048);
    cfi_set(&registers, CFI_PC, CODE);
    before = registers;
    int missing;
    assert_int_equal(frame_step(&memory, &entry, true, &registers, &missing), FRAME_STEP_FAILED);
    assert_int_equal(missing, CFI_FP);
    assert_memory_equal(&registers.known, &before.known, sizeof(before.known));
}

static void test_step_from_the_outermost_frame(void **state)
{
    (void)state;
    static const unsigned char code[] = {0x07, CFI_PC};
    unsigned at = put_common(0, common_code, sizeof(common_code));
    put_code(at, 0, CODE, 64, code, sizeof(code));
    struct frame_entry entry;
    assert_true(frame_search(&memory, &plain, CODE, &entry));
    struct cfi_registers registers = {.known = 0};
    cfi_set(&registers, CFI_PC, CODE);
    int missing;
    assert_int_equal(frame_step(&memory, &entry, true, &registers, &missing), FRAME_STEP_OUTERMOST);
}

/* --- The search ---------------------------------------------------------------------------------
 */

enum { HDR_SIZE = 12, FUNCTIONS = 20, FUNCTION_SIZE = 32 };

/* A header of so many rows, then a CIE and its entries, of functions with gaps between them. */
static void put_tables(uint8_t count_encoding, uint8_t table_encoding, uint32_t count)
{
    static const unsigned char nop[] = {0};
    unsigned tables = HDR_SIZE + FUNCTIONS * 8;
    unsigned at = put_common(tables, common_code, sizeof(common_code));
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        uintptr_t start = CODE + i * FUNCTION_SIZE * 2;
        put32(HDR_SIZE + i * 8, (uint32_t)(start - IMAGE));
        put32(HDR_SIZE + i * 8 + 4, at);
        at = put_code(at, tables, start, FUNCTION_SIZE, nop, sizeof(nop));
    }
    put32(at, 0);
    image[0] = 1;
    image[1] = 0x1b;
    image[2] = count_encoding;
    image[3] = table_encoding;
    put32(4, tables - 4);
    put32(8, count);
}

static void assert_all_are_found(void)
{
    for (uintptr_t pc = CODE - 1; pc < CODE + FUNCTIONS * FUNCTION_SIZE * 2; pc++) {
        struct frame_entry entry;
        stack_snapshot_begin(&snapshot);
        uintptr_t start = CODE + (pc - CODE) / (FUNCTION_SIZE * 2UL) * (FUNCTION_SIZE * 2UL);
        bool covered = pc >= CODE && pc - start < FUNCTION_SIZE;
        assert_int_equal(frame_search(&memory, &with_header, pc, &entry), covered);
        if (covered)
            assert_int_equal(entry.start, start);
    }
}

static void test_search(void **state)
{
    put_tables(0x03, 0x3b, FUNCTIONS);
    assert_all_are_found();
    /* Found again, through hints; and not where the tables are gone meanwhile. */
    assert_all_are_found();
    set_up(state);
    struct frame_entry entry;
    assert_false(frame_search(&memory, &with_header, CODE, &entry));
}

static void test_search_without_table(void **state)
{
    (void)state;
    put_tables(0xff, 0xff, 0);
    assert_all_are_found();
    put_tables(0x03, 0x33, FUNCTIONS); /* a kind of row that nobody writes */
    assert_all_are_found();
}

static void test_hostile_headers(void **state)
{
    static const struct {
        const char *name;
        unsigned at, size;
        unsigned char bytes[8];
    } cases[] = {
        {"version", 0, 1, {2}},
        {"more rows than there is room for", 8, 4, {0xff, 0xff, 0xff, 0xff}},
        {"eh_frame outside, no table", 1, 7, {0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}},
        {"indirect", 1, 1, {0x9b}},
        {"count of an unknown format", 2, 1, {0x0f}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        set_up(state);
        put_tables(0x03, 0x3b, FUNCTIONS);
        memcpy(image + cases[i].at, cases[i].bytes, cases[i].size);
        for (unsigned pc = CODE + 16; pc < CODE + 4096; pc += FUNCTION_SIZE) {
            struct frame_entry entry;
            if (frame_search(&memory, &with_header, pc + 0x100000, &entry) ||
                (frame_search(&memory, &with_header, pc, &entry) &&
                 (pc < entry.start || pc >= entry.end)))
                fail_msg("%s: found what is not there", cases[i].name);
        }
    }
    set_up(state);
    put_tables(0x03, 0x3b, FUNCTIONS);
    static const struct unwind_tables outside = {
        .low = IMAGE, .high = IMAGE + IMAGE_SIZE, .eh_frame_hdr = IMAGE + IMAGE_SIZE};
    struct frame_entry entry;
    put32(HDR_SIZE + FUNCTIONS * 8 + 17 + sizeof(common_code) + 12, FUNCTION_SIZE + 8);
    uintptr_t not_hinted_at = CODE + FUNCTION_SIZE + 4;
    assert_false(frame_search(&memory, &outside, not_hinted_at, &entry));
    assert_true(frame_search(&memory, &with_header, not_hinted_at, &entry));
}

/* Rows in no order: what is found must cover the address all the same. */
static void test_unsorted_table(void **state)
{
    (void)state;
    put_tables(0x03, 0x3b, FUNCTIONS);
    for (unsigned i = 0; i < FUNCTIONS / 2; i++) {
        unsigned char row[8];
        memcpy(row, image + HDR_SIZE + i * 8, 8);
        memcpy(image + HDR_SIZE + i * 8, image + HDR_SIZE + (FUNCTIONS - 1 - i) * 8, 8);
        memcpy(image + HDR_SIZE + (FUNCTIONS - 1 - i) * 8, row, 8);
    }
    for (uintptr_t pc = CODE; pc < CODE + FUNCTIONS * FUNCTION_SIZE * 2; pc++) {
        struct frame_entry entry;
        if (frame_search(&memory, &with_header, pc, &entry))
            assert_true(pc >= entry.start && pc < entry.end);
    }
}

static void test_hostile_entries(void **state)
{
    static const unsigned char nop[] = {0};
    struct frame_entry entry;
    unsigned at = put_common(0, common_code, sizeof(common_code));
    put_code(at, 0, CODE, 64, nop, sizeof(nop));
    assert_true(frame_search(&memory, &plain, CODE, &entry));
    static const struct {
        const char *name;
        unsigned common_at, code_at;
        uint32_t value;
    } cases[] = {
        {"its CIE lies before the object", 0, 4, 0x7fffffff},
        {"it is its own CIE", 0, 4, 4},
        {"its length leads out of the object", 0, 1 << 31, 0x7fffffff},
        {"the CIE is no CIE", 4, 0, 7},
        {"of an unknown version", 8, 0, 9},
        {"the CIE's length leads out of the object", 1 << 31, 0, 0x7fffffff},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        set_up(state);
        at = put_common(0, common_code, sizeof(common_code));
        put_code(at, 0, CODE, 64, nop, sizeof(nop));
        if (cases[i].code_at != 0)
            put32(at + (cases[i].code_at & 0xff), cases[i].value);
        else
            put32(cases[i].common_at & 0xff, cases[i].value);
        stack_snapshot_begin(&snapshot);
        if (frame_search(&memory, &plain, CODE, &entry))
            fail_msg("%s: expected not to be found", cases[i].name);
    }
}

/* --- Real frames --------------------------------------------------------------------------------
 */

static void test_signal_frame(void **state)
{
    (void)state;
    /* Code that is rt_sigreturn(2), in memory of this process. */
#if defined(__x86_64__)
    static const unsigned char code[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
    static ucontext_t frame;
    static const int order[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                                REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
    for (unsigned i = 0; i < COUNT(order); i++)
        frame.uc_mcontext.gregs[order[i]] = 0x5000 + (int)i;
#elif defined(__aarch64__)
    static const uint32_t code[] = {0xd2801168, 0xd4000001};
    static struct {
        siginfo_t info;
        ucontext_t context;
    } frame;
    for (unsigned i = 0; i < 31; i++)
        frame.context.uc_mcontext.regs[i] = 0x5000 + i;
    frame.context.uc_mcontext.sp = 0x5000 + CFI_SP;
    frame.context.uc_mcontext.pc = 0x5000 + CFI_PC;
#endif
    reader = memory_reader_image(code, (uintptr_t)code, sizeof(code));
    snapshot.start = (uintptr_t)&frame;
    snapshot.size = sizeof(frame);
    memcpy(snapshot.bytes, &frame, sizeof(frame));
    struct cfi_registers registers = {.known = 0};
    cfi_set(&registers, CFI_PC, (uintptr_t)code);
    cfi_set(&registers, CFI_SP, (uintptr_t)&frame);
    unsigned char copy[SNAPSHOT_LINE];
    struct memory_reader lines = memory_reader_image(copy, (uintptr_t)code & ~511ULL, sizeof(copy));
    memset(copy, 0, sizeof(copy));
    memcpy(copy + (uintptr_t)code % SNAPSHOT_LINE, code, sizeof(code));
    reader = lines;
    assert_true(signal_frame_step(&memory, &registers));
    for (unsigned i = 0; i < CFI_REGISTERS; i++)
        assert_true(cfi_is_known(&registers, i) && registers.value[i] == 0x5000 + i);
    cfi_set(&registers, CFI_PC, (uintptr_t)code + 1);
    assert_false(signal_frame_step(&memory, &registers));
    snapshot.size = 0;
}

static struct stack_trace trace;

#if defined(__x86_64__)

__attribute__((used)) static void unwind_here(void)
{
    static struct stack_snapshot own;
    struct memory_reader process = memory_reader_process(getpid());
    struct saved_registers registers;
    capture_registers(&registers);
    assert_true(stack_snapshot_take(&process, &registers, &own));
    unwind_snapshot(&own, modules_own(), &process, STACK_DEPTH_LIMIT, &trace);
}

/* What holds at the call is right, and what holds behind it, where the frame's pc points, is not.
 */
__asm__(".globl call_at_the_end_of_a_row\n"
        "call_at_the_end_of_a_row:\n"
        ".cfi_startproc\n"
        "sub $24, %rsp\n"
        ".cfi_adjust_cfa_offset 24\n"
        "call unwind_here\n"
        ".cfi_adjust_cfa_offset 4096\n"
        "add $24, %rsp\n"
        ".cfi_adjust_cfa_offset -4120\n"
        "ret\n"
        ".cfi_endproc\n");
void call_at_the_end_of_a_row(void);

static void test_row_of_the_call(void **state)
{
    (void)state;
    call_at_the_end_of_a_row();
    assert_int_equal(trace.end, STACK_END_COMPLETE);
}

#endif

#if defined(__aarch64__)

/* Signed by the processor, where it has pointer authentication: qemu-user's has. */
static void test_signature_is_stripped(void **state)
{
    (void)state;
    register uint64_t x17 __asm__("x17") = (uintptr_t)&test_signature_is_stripped;
    register uint64_t x16 __asm__("x16") = 0x1234;
    __asm__("hint #8" : "+r"(x17) : "r"(x16)); /* PACIA1716 */
    uint64_t made = x17;
    print_message("signed: %s\n", made != (uintptr_t)&test_signature_is_stripped ? "yes" : "no");
    assert_int_equal(cfi_strip_signature(made), (uintptr_t)&test_signature_is_stripped);
}

static void test_signed_return(void **state)
{
    (void)state;
    static const unsigned char code[] = {0x2d, 0x41, 0x2d};
    unsigned at = put_common(0, common_code, sizeof(common_code));
    put_code(at, 0, CODE, 64, code, sizeof(code));
    struct frame_entry entry;
    struct cfi_row row;
    assert_true(frame_search(&memory, &plain, CODE, &entry));
    assert_true(cfi_row_at(&memory, &entry, CODE, &row));
    assert_true(row.signed_return);
    assert_true(cfi_row_at(&memory, &entry, CODE + 1, &row));
    assert_false(row.signed_return);
}

enum { SPACE = 2 * SNAPSHOT_LIMIT };

static __attribute__((noinline)) int compare_with_backtrace(void)
{
    /* Memory of this process, read as it is: qemu-user has no process_vm_readv(2). */
    static struct stack_snapshot own;
    struct memory_reader process = memory_reader_image(NULL, 0, SIZE_MAX);
    struct saved_registers registers;
    void *expected[STACK_DEPTH_LIMIT];
    int count = backtrace(expected, STACK_DEPTH_LIMIT);
    capture_registers(&registers);
    assert_true(stack_snapshot_take(&process, &registers, &own));
    unwind_snapshot(&own, modules_own(), &process, STACK_DEPTH_LIMIT, &trace);
    assert_int_equal(trace.end, STACK_END_COMPLETE);
    assert_int_equal(trace.count, count);
    for (int i = 1; i < count; i++)
        assert_int_equal(trace.pc[i], (uintptr_t)expected[i]);
    return count;
}

static __attribute__((noinline)) int descend(int depth)
{
    int count = depth == 0 ? compare_with_backtrace() : descend(depth - 1);
    __asm__ volatile("" : "+r"(count));
    return count;
}

static void test_own_stack(void **state)
{
    (void)state;
    char block[SPACE]; /* the snapshot stays within the stack */
    __asm__ volatile("" ::"r"(block) : "memory");
    assert_true(descend(20) > 22);
}

#endif

int main(void)
{
    modules_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_expressions, set_up),
        cmocka_unit_test_setup(test_expression_starts_with_frame_address, set_up),
        cmocka_unit_test_setup(test_expressions_that_fail, set_up),
        cmocka_unit_test_setup(test_program, set_up),
        cmocka_unit_test_setup(test_programs_that_fail, set_up),
        cmocka_unit_test_setup(test_step, set_up),
        cmocka_unit_test_setup(test_step_without_a_register, set_up),
        cmocka_unit_test_setup(test_step_from_the_outermost_frame, set_up),
        cmocka_unit_test_setup(test_search, set_up),
        cmocka_unit_test_setup(test_search_without_table, set_up),
        cmocka_unit_test_setup(test_hostile_headers, set_up),
        cmocka_unit_test_setup(test_unsorted_table, set_up),
        cmocka_unit_test_setup(test_hostile_entries, set_up),
        cmocka_unit_test_setup(test_signal_frame, set_up),
#if defined(__x86_64__)
        cmocka_unit_test(test_row_of_the_call),
#elif defined(__aarch64__)
        cmocka_unit_test(test_signature_is_stripped),
        cmocka_unit_test_setup(test_signed_return, set_up),
        cmocka_unit_test(test_own_stack),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
