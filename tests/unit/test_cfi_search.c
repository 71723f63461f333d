// SPDX-License-Identifier: MIT
/* Where in .eh_frame a function's entry is, with a table of rows and without, hostile ones too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cfi_image.h"

enum { HDR_SIZE = 12, FUNCTIONS = 20, FUNCTION_SIZE = 32 };

/* A header of so many rows, then a CIE and its entries, of functions with gaps between them. */
static void put_tables(uint8_t count_encoding, uint8_t table_encoding, uint32_t count)
{
    static const unsigned char nop[] = {0};
    unsigned tables = HDR_SIZE + FUNCTIONS * 8;
    unsigned at = cfi_put_common(tables, cfi_common_code, sizeof(cfi_common_code));
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        uintptr_t start = CODE + i * FUNCTION_SIZE * 2;
        cfi_put32(HDR_SIZE + i * 8, (uint32_t)(start - IMAGE));
        cfi_put32(HDR_SIZE + i * 8 + 4, at);
        at = cfi_put_code(at, tables, start, FUNCTION_SIZE, nop, sizeof(nop));
    }
    cfi_put32(at, 0);
    cfi_image[0] = 1;
    cfi_image[1] = 0x1b;
    cfi_image[2] = count_encoding;
    cfi_image[3] = table_encoding;
    cfi_put32(4, tables - 4);
    cfi_put32(8, count);
}

static void assert_all_are_found(void)
{
    for (uintptr_t pc = CODE - 1; pc < CODE + FUNCTIONS * FUNCTION_SIZE * 2; pc++) {
        struct frame_entry entry;
        stack_snapshot_begin(&cfi_snapshot);
        uintptr_t start = CODE + (pc - CODE) / (FUNCTION_SIZE * 2UL) * (FUNCTION_SIZE * 2UL);
        bool covered = pc >= CODE && pc - start < FUNCTION_SIZE;
        assert_int_equal(frame_search(&cfi_memory, &cfi_with_header, pc, &entry), covered);
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
    cfi_set_up(state);
    struct frame_entry entry;
    assert_false(frame_search(&cfi_memory, &cfi_with_header, CODE, &entry));
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
        cfi_set_up(state);
        put_tables(0x03, 0x3b, FUNCTIONS);
        memcpy(cfi_image + cases[i].at, cases[i].bytes, cases[i].size);
        for (unsigned pc = CODE + 16; pc < CODE + 4096; pc += FUNCTION_SIZE) {
            struct frame_entry entry;
            if (frame_search(&cfi_memory, &cfi_with_header, pc + 0x100000, &entry) ||
                (frame_search(&cfi_memory, &cfi_with_header, pc, &entry) &&
                 (pc < entry.start || pc >= entry.end)))
                fail_msg("%s: found what is not there", cases[i].name);
        }
    }
    cfi_set_up(state);
    put_tables(0x03, 0x3b, FUNCTIONS);
    static const struct unwind_tables outside = {
        .low = IMAGE, .high = IMAGE + IMAGE_SIZE, .eh_frame_hdr = IMAGE + IMAGE_SIZE};
    struct frame_entry entry;
    cfi_put32(HDR_SIZE + FUNCTIONS * 8 + 17 + sizeof(cfi_common_code) + 12, FUNCTION_SIZE + 8);
    uintptr_t not_hinted_at = CODE + FUNCTION_SIZE + 4;
    assert_false(frame_search(&cfi_memory, &outside, not_hinted_at, &entry));
    assert_true(frame_search(&cfi_memory, &cfi_with_header, not_hinted_at, &entry));
}

/* Rows in no order: what is found must cover the address all the same. */
static void test_unsorted_table(void **state)
{
    (void)state;
    put_tables(0x03, 0x3b, FUNCTIONS);
    for (unsigned i = 0; i < FUNCTIONS / 2; i++) {
        unsigned char row[8];
        memcpy(row, cfi_image + HDR_SIZE + i * 8, 8);
        memcpy(cfi_image + HDR_SIZE + i * 8, cfi_image + HDR_SIZE + (FUNCTIONS - 1 - i) * 8, 8);
        memcpy(cfi_image + HDR_SIZE + (FUNCTIONS - 1 - i) * 8, row, 8);
    }
    for (uintptr_t pc = CODE; pc < CODE + FUNCTIONS * FUNCTION_SIZE * 2; pc++) {
        struct frame_entry entry;
        if (frame_search(&cfi_memory, &cfi_with_header, pc, &entry))
            assert_true(pc >= entry.start && pc < entry.end);
    }
}

static void test_hostile_entries(void **state)
{
    static const unsigned char nop[] = {0};
    struct frame_entry entry;
    unsigned at = cfi_put_common(0, cfi_common_code, sizeof(cfi_common_code));
    cfi_put_code(at, 0, CODE, 64, nop, sizeof(nop));
    assert_true(frame_search(&cfi_memory, &cfi_plain, CODE, &entry));
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
        cfi_set_up(state);
        at = cfi_put_common(0, cfi_common_code, sizeof(cfi_common_code));
        cfi_put_code(at, 0, CODE, 64, nop, sizeof(nop));
        if (cases[i].code_at != 0)
            cfi_put32(at + (cases[i].code_at & 0xff), cases[i].value);
        else
            cfi_put32(cases[i].common_at & 0xff, cases[i].value);
        stack_snapshot_begin(&cfi_snapshot);
        if (frame_search(&cfi_memory, &cfi_plain, CODE, &entry))
            fail_msg("%s: expected not to be found", cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_search, cfi_set_up),
        cmocka_unit_test_setup(test_search_without_table, cfi_set_up),
        cmocka_unit_test_setup(test_hostile_headers, cfi_set_up),
        cmocka_unit_test_setup(test_unsorted_table, cfi_set_up),
        cmocka_unit_test_setup(test_hostile_entries, cfi_set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
