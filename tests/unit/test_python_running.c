// SPDX-License-Identifier: MIT
// The Python frames of a thread that runs on while they are read: right, or left out.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "explain/python/python_stack.h"
#include "python_image.h"

enum { FIRST_MINOR = 8, LAST_MINOR = 14, FRAME_LIMIT = 16 };

static struct python_image image;
static struct python_frame frames[FRAME_LIMIT];
static struct python_stack_facts facts;
static unsigned snapshots;
static void (*move)(void);
static uintptr_t moved; /* what move() has changed, and what was there; 0: nothing */
static uint64_t at_rest;

static void change(uintptr_t address, uint64_t value)
{
    moved = address;
    memcpy(&at_rest, image.bytes + (address - PYTHON_IMAGE_ADDRESS), sizeof at_rest);
    python_image_poke(&image, address, value);
}

/* The program as each snapshot finds it; all other reads find it at rest. No more than is needed:
 * a snapshot that took long is not believed, and a sanitizer makes each copied byte dear. */
static bool read_moving_pieces(const struct memory_reader *reader, const struct iovec *local,
                               const struct iovec *remote, unsigned count)
{
    snapshots++;
    move();
    for (unsigned i = 0; i < count; i++)
        assert_true(memory_read(reader, (uintptr_t)remote[i].iov_base, local[i].iov_base,
                                remote[i].iov_len));
    if (moved != 0)
        python_image_poke(&image, moved, at_rest);
    moved = 0;
    return true;
}

static unsigned read_moving(unsigned minor, void (*as)(void))
{
    python_image_build(&image, minor);
    snapshots = 0;
    move = as;
    struct memory_reader reader = python_image_reader(&image, PYTHON_IMAGE_SIZE);
    reader.read_pieces = read_moving_pieces;
    return python_read_stack_running(&image.runtime, &reader, PYTHON_IMAGE_TID, frames, FRAME_LIMIT,
                                     &facts);
}

static void assert_outer_frames(unsigned minor, void (*as)(void), unsigned frames_reported)
{
    assert_int_equal(read_moving(minor, as), frames_reported);
    assert_int_equal(facts.completeness, PYTHON_STACK_OUTER);
    assert_int_equal(frames[frames_reported - 1].line, 11);
    assert_string_equal(frames[frames_reported - 1].function, "<module>");
}

static void assert_left_out(unsigned minor, void (*as)(void))
{
    assert_int_equal(read_moving(minor, as), 0);
    assert_int_equal(facts.completeness, PYTHON_STACK_MOVING);
}

static void put_instruction(uintptr_t frame, uint64_t difference)
{
    const struct python_offsets *offsets = &image.runtime.offsets;
    uint64_t instruction;
    uintptr_t address = frame + offsets->frame_instruction;
    memcpy(&instruction, image.bytes + (address - PYTHON_IMAGE_ADDRESS), sizeof instruction);
    change(address, instruction + difference);
}

static void innermost_goes_on(void)
{
    put_instruction(image.innermost_frame, snapshots % 2 * 2);
}

static void the_innermost_line_may_move(void **state)
{
    (void)state;
    for (unsigned minor = FIRST_MINOR; minor <= LAST_MINOR; minor++) {
        assert_int_equal(read_moving(minor, innermost_goes_on), PYTHON_IMAGE_FRAMES);
        assert_int_equal(facts.completeness, PYTHON_STACK_COMPLETE);
        assert_int_equal(frames[0].line, 33);
    }
}

static void returned_to_the_outermost(void)
{
    change(image.innermost_pointer, image.outermost_frame);
}

static void returned_to_the_middle(void)
{
    change(image.innermost_pointer, image.middle_frame);
}

static void frames_that_were_left_are_not_reported(void **state)
{
    (void)state;
    for (unsigned minor = FIRST_MINOR; minor <= LAST_MINOR; minor++) {
        assert_outer_frames(minor, returned_to_the_outermost, 1);
        assert_outer_frames(minor, returned_to_the_middle, 2);
    }
}

static void went_elsewhere(void)
{
    change(image.innermost_pointer, PYTHON_IMAGE_ADDRESS);
}

static void called_from_elsewhere(void)
{
    change(image.innermost_frame + image.runtime.offsets.frame_previous, image.outermost_frame);
}

static void what_is_not_seen_in_use_is_not_reported(void **state)
{
    (void)state;
    for (unsigned minor = FIRST_MINOR; minor <= LAST_MINOR; minor++) {
        assert_left_out(minor, went_elsewhere);
        assert_left_out(minor, called_from_elsewhere);
    }
}

static void caller_goes_on_now_and_then(void)
{
    if (snapshots % 7 == 4)
        put_instruction(image.middle_frame, 2);
}

static void outermost_goes_on_now_and_then(void)
{
    if (snapshots % 7 == 4)
        put_instruction(image.outermost_frame, 2);
}

static void one_snapshot_of_many_is_enough_to_refute(void **state)
{
    (void)state;
    for (unsigned minor = FIRST_MINOR; minor <= LAST_MINOR; minor++) {
        assert_outer_frames(minor, caller_goes_on_now_and_then, 1);
        assert_left_out(minor, outermost_goes_on_now_and_then);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_innermost_line_may_move),
        cmocka_unit_test(frames_that_were_left_are_not_reported),
        cmocka_unit_test(what_is_not_seen_in_use_is_not_reported),
        cmocka_unit_test(one_snapshot_of_many_is_enough_to_refute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
