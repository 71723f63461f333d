// SPDX-License-Identifier: MIT
/* DWARF expressions, on bytes made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cfi_image.h"
#include "explain/cfi/dwarf_expression.h"

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
    cfi_image[0] = (unsigned char)size;
    memcpy(cfi_image + 1, code, size);
    stack_snapshot_begin(&cfi_snapshot);
    return expression_evaluate(&cfi_memory, IMAGE, IMAGE + IMAGE_SIZE, &registers, initial, result,
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
        memcpy(cfi_image + 32, &word, 8);
        unsigned char code[32];
        memcpy(code, cases[i].code, sizeof(cases[i].code));
        if (code[0] == 0x0c && code[3] == 0x10)
            code[1] = 32; /* the address of that word */
        if (!evaluate(code, cases[i].size, NULL, &result, &missing) || result != cases[i].result)
            fail_msg("%s: expected %#lx, got %#lx", cases[i].name, (unsigned long)cases[i].result,
                     (unsigned long)result);
        memset(cfi_image, 0, 64);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_expressions, cfi_set_up),
        cmocka_unit_test_setup(test_expression_starts_with_frame_address, cfi_set_up),
        cmocka_unit_test_setup(test_expressions_that_fail, cfi_set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
