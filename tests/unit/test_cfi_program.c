// SPDX-License-Identifier: MIT
/* Call frame instructions and the step to a caller, on tables made here. What whole tables of real
 * objects say is compared with libunwind and readelf in tests/integration/unwind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cfi_image.h"
#include "explain/cfi/cfi_program.h"
#include "explain/cfi/frame_step.h"

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
    unsigned at = cfi_put_common(0, cfi_common_code, sizeof(cfi_common_code));
    cfi_put_code(at, 0, CODE, 64, code, sizeof(code));
    struct frame_entry entry;
    assert_true(frame_search(&cfi_memory, &cfi_plain, CODE, &entry));
    assert_int_equal(entry.start, CODE);
    assert_int_equal(entry.end, CODE + 64);

    struct cfi_row row;
    assert_true(cfi_row_at(&cfi_memory, &entry, CODE, &row));
    assert_int_equal(row.start, CODE);
    assert_int_equal(row.end, CODE + 1);
    assert_true(row.cfa_register == 7 && row.cfa_offset == 8 && row.cfa_expression == 0);
    assert_true(row.rule[CFI_PC] == CFI_OFFSET && row.value[CFI_PC] == -8);
    assert_int_equal(row.rule[3], CFI_UNSPECIFIED);

    assert_true(cfi_row_at(&cfi_memory, &entry, CODE + 9, &row));
    assert_int_equal(row.start, CODE + 2);
    assert_int_equal(row.end, CODE + 10);
    assert_true(row.cfa_register == 6 && row.cfa_offset == 16);
    assert_true(row.rule[3] == CFI_OFFSET && row.value[3] == -16);
    assert_true(row.rule[5] == CFI_VAL_OFFSET && row.value[5] == -24);
    assert_true(row.rule[4] == CFI_REGISTER && row.value[4] == 1);
    assert_int_equal(row.rule[2], CFI_SAME);
    assert_int_equal(row.rule[1], CFI_UNDEFINED);

    assert_true(cfi_row_at(&cfi_memory, &entry, CODE + 10, &row));
    assert_int_equal(row.rule[3], CFI_UNSPECIFIED);
    assert_int_equal(row.cfa_offset, 24);

    assert_true(cfi_row_at(&cfi_memory, &entry, CODE + 26, &row));
    assert_true(row.cfa_register == 7 && row.cfa_offset == 16);
    assert_true(row.rule[3] == CFI_OFFSET && row.rule[2] == CFI_UNSPECIFIED);
    assert_int_equal(row.rule[5], CFI_EXPRESSION);
    assert_int_equal(row.rule[4], CFI_VAL_EXPRESSION);

    assert_true(cfi_row_at(&cfi_memory, &entry, CODE + 63, &row));
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
        cfi_set_up(state);
        unsigned char code[9] = {0};
        memcpy(code, cases[i].code, sizeof(cases[i].code));
        code[cases[i].size] = 0x0a;
        bool remembers = cases[i].size == 8;
        unsigned at = cfi_put_common(0, cfi_common_code, sizeof(cfi_common_code));
        cfi_put_code(at, 0, CODE, 64, code, cases[i].size + remembers);
        struct frame_entry entry;
        struct cfi_row row;
        assert_true(frame_search(&cfi_memory, &cfi_plain, CODE, &entry));
        if (cfi_row_at(&cfi_memory, &entry, CODE, &row))
            fail_msg("%s: expected a failure", cases[i].name);
    }
}

static void test_step(void **state)
{
    (void)state;
    static const unsigned char code[] = {0x0e, 32, 0x83, 3, 0x86, 2};
    unsigned at = cfi_put_common(0, cfi_common_code, sizeof(cfi_common_code));
    cfi_put_code(at, 0, CODE, 64, code, sizeof(code));
    struct frame_entry entry;
    assert_true(frame_search(&cfi_memory, &cfi_plain, CODE, &entry));

    struct cfi_registers registers = {.known = 0};
    uint64_t stack[4] = {0x11, 0x22, 0x33, 0xc0de};
    memcpy(cfi_image + 2048, stack, sizeof(stack));
    cfi_set(&registers, 7, IMAGE + 2048);
    cfi_set(&registers, CFI_SP, IMAGE + 2048);
    cfi_set(&registers, CFI_PC, CODE + 4);
    int missing;
    assert_int_equal(frame_step(&cfi_memory, &entry, false, &registers, &missing),
                     FRAME_STEP_CALLER);
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
    unsigned at = cfi_put_common(0, cfi_common_code, sizeof(cfi_common_code));
    cfi_put_code(at, 0, CODE, 64, code, sizeof(code));
    struct frame_entry entry;
    assert_true(frame_search(&cfi_memory, &cfi_plain, CODE, &entry));
    struct cfi_registers registers = {.known = 0}, before;
    cfi_set(&registers, CFI_SP, IMAGE + 2048);
    cfi_set(&registers, CFI_PC, CODE);
    before = registers;
    int missing;
    assert_int_equal(frame_step(&cfi_memory, &entry, true, &registers, &missing),
                     FRAME_STEP_FAILED);
    assert_int_equal(missing, CFI_FP);
    assert_memory_equal(&registers.known, &before.known, sizeof(before.known));
}

static void test_step_from_the_outermost_frame(void **state)
{
    (void)state;
    static const unsigned char code[] = {0x07, CFI_PC};
    unsigned at = cfi_put_common(0, cfi_common_code, sizeof(cfi_common_code));
    cfi_put_code(at, 0, CODE, 64, code, sizeof(code));
    struct frame_entry entry;
    assert_true(frame_search(&cfi_memory, &cfi_plain, CODE, &entry));
    struct cfi_registers registers = {.known = 0};
    cfi_set(&registers, CFI_PC, CODE);
    int missing;
    assert_int_equal(frame_step(&cfi_memory, &entry, true, &registers, &missing),
                     FRAME_STEP_OUTERMOST);
}

#if defined(__aarch64__)

static void test_signed_return(void **state)
{
    (void)state;
    static const unsigned char code[] = {0x2d, 0x41, 0x2d};
    unsigned at = cfi_put_common(0, cfi_common_code, sizeof(cfi_common_code));
    cfi_put_code(at, 0, CODE, 64, code, sizeof(code));
    struct frame_entry entry;
    struct cfi_row row;
    assert_true(frame_search(&cfi_memory, &cfi_plain, CODE, &entry));
    assert_true(cfi_row_at(&cfi_memory, &entry, CODE, &row));
    assert_true(row.signed_return);
    assert_true(cfi_row_at(&cfi_memory, &entry, CODE + 1, &row));
    assert_false(row.signed_return);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_program, cfi_set_up),
        cmocka_unit_test_setup(test_programs_that_fail, cfi_set_up),
        cmocka_unit_test_setup(test_step, cfi_set_up),
        cmocka_unit_test_setup(test_step_without_a_register, cfi_set_up),
        cmocka_unit_test_setup(test_step_from_the_outermost_frame, cfi_set_up),
#if defined(__aarch64__)
        cmocka_unit_test_setup(test_signed_return, cfi_set_up),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
