// SPDX-License-Identifier: MIT
// The CPython reader on images of memory: every version's layout, and damage of every kind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "explain/python/python_stack.h"
#include "python_image.h"

enum { FIRST_MINOR = 8, LAST_MINOR = 14, FRAME_LIMIT = 16, READS_LIMIT = 80000 };

static struct python_image image;
static struct python_frame frames[FRAME_LIMIT];

typedef unsigned (*read_stack)(const struct python_runtime *, const struct memory_reader *, int,
                               struct python_frame *, unsigned, struct python_stack_facts *);

static void assert_frame(const struct python_frame *frame, int line, const char *file,
                         const char *function)
{
    assert_int_equal(frame->line, line);
    assert_string_equal(frame->file, file);
    assert_string_equal(frame->function, function);
}

static void assert_frames_of_the_image(unsigned count, enum python_completeness completeness)
{
    assert_int_equal(completeness, PYTHON_STACK_COMPLETE);
    assert_int_equal(count, PYTHON_IMAGE_FRAMES);
    assert_frame(&frames[0], 33, "/srv/app/\u66f8\u304f.py", "\u66f8\u304f");
    assert_frame(&frames[1], 22, "/srv/app/caf\u00e9.py", "caf\u00e9.write");
    assert_frame(&frames[2], 11, "/srv/app/main.py", "<module>");
}

static void frames_of_every_version_are_read(void **state)
{
    (void)state;
    static const read_stack readings[] = {python_read_stack, python_read_stack_running};
    for (unsigned minor = FIRST_MINOR; minor <= LAST_MINOR; minor++) {
        python_image_build(&image, minor);
        assert_int_equal(image.runtime.support, PYTHON_SUPPORTED);
        struct memory_reader reader = python_image_reader(&image, PYTHON_IMAGE_SIZE);
        for (unsigned i = 0; i < 2; i++) {
            struct python_stack_facts facts;
            memset(frames, 0, sizeof frames);
            unsigned count =
                readings[i](&image.runtime, &reader, PYTHON_IMAGE_TID, frames, FRAME_LIMIT, &facts);
            assert_frames_of_the_image(count, facts.completeness);
            assert_int_equal(facts.omitted, 0);
        }
    }
}

static enum python_completeness read_now(unsigned *count)
{
    struct memory_reader reader = python_image_reader(&image, PYTHON_IMAGE_SIZE);
    struct python_stack_facts facts;
    *count =
        python_read_stack(&image.runtime, &reader, PYTHON_IMAGE_TID, frames, FRAME_LIMIT, &facts);
    return facts.completeness;
}

static void a_broken_link_leaves_the_inner_frames(void **state)
{
    (void)state;
    for (unsigned minor = FIRST_MINOR; minor <= LAST_MINOR; minor++) {
        python_image_build(&image, minor);
        uintptr_t link = image.innermost_frame + image.runtime.offsets.frame_previous;
        python_image_poke(&image, link, 0xdead0000);
        unsigned count;
        assert_int_equal(read_now(&count), PYTHON_STACK_LOST);
        assert_int_equal(count, 1);
        assert_frame(&frames[0], 33, "/srv/app/\u66f8\u304f.py", "\u66f8\u304f");
    }
}

static void what_is_no_code_object_is_no_frame(void **state)
{
    (void)state;
    for (unsigned minor = FIRST_MINOR; minor <= LAST_MINOR; minor++) {
        python_image_build(&image, minor);
        python_image_poke(&image, image.innermost_frame + image.runtime.offsets.frame_code,
                          image.runtime.code_type);
        unsigned count;
        assert_int_equal(read_now(&count), PYTHON_STACK_LOST);
        assert_int_equal(count, 0);
    }
}

static void a_cycle_of_frames_ends(void **state)
{
    (void)state;
    python_image_build(&image, 12);
    python_image_poke(&image, image.outermost_frame + image.runtime.offsets.frame_previous,
                      image.innermost_frame);
    struct memory_reader reader = python_image_reader(&image, PYTHON_IMAGE_SIZE);
    struct python_stack_facts facts;
    assert_int_equal(
        python_read_stack(&image.runtime, &reader, PYTHON_IMAGE_TID, frames, FRAME_LIMIT, &facts),
        FRAME_LIMIT);
    assert_true(facts.omitted_more);
    assert_int_equal(python_read_stack_running(&image.runtime, &reader, PYTHON_IMAGE_TID, frames,
                                               FRAME_LIMIT, &facts),
                     0);
    assert_int_equal(facts.completeness, PYTHON_STACK_MOVING);
}

static void a_cycle_of_threads_ends(void **state)
{
    (void)state;
    python_image_build(&image, 12);
    python_image_poke(&image, image.second_thread + image.runtime.offsets.thread_next,
                      image.second_thread);
    unsigned count;
    assert_int_equal(read_now(&count), PYTHON_STACK_UNREADABLE);
    assert_int_equal(count, 0);
}

static void a_running_chain_must_end_where_python_starts(void **state)
{
    (void)state;
    python_image_build(&image, 12);
    uintptr_t middle;
    memcpy(&middle,
           image.bytes + (image.innermost_frame - PYTHON_IMAGE_ADDRESS) +
               image.runtime.offsets.frame_previous,
           sizeof middle);
    python_image_poke(&image, middle - 0x80 + image.runtime.offsets.frame_previous, 0);
    struct memory_reader reader = python_image_reader(&image, PYTHON_IMAGE_SIZE);
    struct python_stack_facts facts;
    assert_int_equal(python_read_stack_running(&image.runtime, &reader, PYTHON_IMAGE_TID, frames,
                                               FRAME_LIMIT, &facts),
                     0);
    assert_int_equal(facts.completeness, PYTHON_STACK_MOVING);
}

static void assert_not_supported(unsigned version, enum python_support support, const char *feature)
{
    struct memory_reader reader = python_image_reader(&image, PYTHON_IMAGE_SIZE);
    char text[PYTHON_FEATURE_LIMIT];
    image.runtime.version = version;
    assert_false(python_runtime_choose_offsets(&reader, &image.runtime));
    assert_int_equal(image.runtime.support, support);
    python_runtime_describe(&image.runtime, text, sizeof text);
    assert_string_equal(text, feature);
    unsigned count;
    assert_int_equal(read_now(&count), PYTHON_STACK_NONE);
    assert_int_equal(count, 0);
}

static void what_is_not_known_says_so(void **state)
{
    (void)state;
    python_image_build(&image, 13);
    python_image_publish(&image, 13, 0x030d00f0, true);
    assert_not_supported(0x030d00f0, PYTHON_FREE_THREADED,
                         "python: 3.13.0 free-threaded, C stack only");
    python_image_publish(&image, 13, 0x030f01f0, false);
    assert_not_supported(0x030f01f0, PYTHON_UNKNOWN, "python: 3.15.1 unknown, C stack only");
    python_image_publish(&image, 13, 0x030d00b2, false);
    assert_not_supported(0x030d00b2, PYTHON_UNKNOWN, "python: 3.13.0b2 unknown, C stack only");
    python_image_publish(&image, 13, 0x030e00f0, false); /* another order than that version's */
    assert_not_supported(0x030e00f0, PYTHON_UNREADABLE, "python: 3.14.0 unreadable, C stack only");
    python_image_publish(&image, 13, 0x030d00f0, false); /* what is mapped is not what was found */
    assert_not_supported(0x030d05f0, PYTHON_UNREADABLE, "python: 3.13.5 unreadable, C stack only");
    python_image_publish(&image, 13, 0x030d00f0, false);
    enum { ASCII_SIZE_NUMBER = 70 }; /* unicode_object.asciiobject_size */
    python_image_poke(&image, image.runtime.runtime + ASCII_SIZE_NUMBER * sizeof(uint64_t), 56);
    assert_not_supported(0x030d00f0, PYTHON_UNREADABLE, "python: 3.13.0 unreadable, C stack only");
    python_image_poke(&image, image.runtime.runtime, 0); /* no cookie */
    assert_not_supported(0x030d00f0, PYTHON_UNREADABLE, "python: 3.13.0 unreadable, C stack only");
    assert_not_supported(0, PYTHON_UNKNOWN, "python: older than 3.8 unknown, C stack only");
    assert_not_supported(0x020712f0, PYTHON_UNKNOWN, "python: 2.7.18 unknown, C stack only");
}

static uint32_t random_state;

static uint32_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

static size_t read_count;
static size_t (*image_read)(const struct memory_reader *, uintptr_t, void *, size_t);

static size_t counting_read(const struct memory_reader *reader, uintptr_t address, void *to,
                            size_t size)
{
    read_count++;
    return image_read(reader, address, to, size);
}

/* One to eight words of the image become another word of it, an edge value, or random bits. */
static void damage(void)
{
    for (uint32_t changes = 1 + next_random() % 8; changes > 0; changes--) {
        uintptr_t to = next_random() % (PYTHON_IMAGE_SIZE - 8),
                  from = next_random() % (PYTHON_IMAGE_SIZE - 8);
        if (next_random() % 4 != 0) { /* mostly where something is */
            for (unsigned i = 0; i < 64 && image.bytes[to] == 0; i++)
                to = next_random() % (PYTHON_IMAGE_SIZE - 8);
        }
        static const uint64_t edges[] = {
            0, 1, 0x7f, 0xff, 0x7fffffff, 0x80000000, UINT64_MAX, INT64_MAX, PYTHON_IMAGE_ADDRESS};
        uint64_t value;
        switch (next_random() % 3) {
        case 0:
            memcpy(&value, image.bytes + from, sizeof value);
            break;
        case 1:
            value = edges[next_random() % (sizeof edges / sizeof *edges)];
            break;
        default:
            value = (uint64_t)next_random() << 32 | next_random();
        }
        memcpy(image.bytes + to, &value, 1 + next_random() % sizeof value);
    }
}

static bool is_terminated(const struct python_frame *frame)
{
    return memchr(frame->file, '\0', sizeof frame->file) &&
           memchr(frame->function, '\0', sizeof frame->function);
}

static void damaged_images_are_read_without_harm(void **state)
{
    (void)state;
    enum { IMAGES = 10000 };
    random_state = 20260101;
    unsigned intact = 0, lost = 0;
    for (unsigned minor = FIRST_MINOR; minor <= LAST_MINOR; minor++) {
        static struct python_image original;
        python_image_build(&original, minor);
        for (unsigned i = 0; i < IMAGES; i++) {
            image = original;
            damage();
            size_t size = i % 8 == 0 ? next_random() % PYTHON_IMAGE_SIZE : PYTHON_IMAGE_SIZE;
            struct memory_reader reader = python_image_reader(&image, size);
            image_read = reader.read;
            reader.read = counting_read;
            read_count = 0;
            python_runtime_choose_offsets(&reader, &image.runtime);
            for (unsigned running = 0; running < 2; running++) {
                struct python_stack_facts facts;
                memset(frames, 'x', sizeof frames);
                unsigned count = (running ? python_read_stack_running : python_read_stack)(
                    &image.runtime, &reader, PYTHON_IMAGE_TID, frames, FRAME_LIMIT, &facts);
                assert_true(count <= FRAME_LIMIT);
                for (unsigned j = 0; j < count; j++)
                    assert_true(is_terminated(&frames[j]) && frames[j].line >= 0);
                intact += count == PYTHON_IMAGE_FRAMES;
                lost += facts.completeness != PYTHON_STACK_COMPLETE;
            }
            assert_true(read_count < READS_LIMIT);
        }
    }
    /* The damage reached the reader, and not always. */
    assert_true(intact > 1000);
    assert_true(lost > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_of_every_version_are_read),
        cmocka_unit_test(a_broken_link_leaves_the_inner_frames),
        cmocka_unit_test(what_is_no_code_object_is_no_frame),
        cmocka_unit_test(a_cycle_of_frames_ends),
        cmocka_unit_test(a_cycle_of_threads_ends),
        cmocka_unit_test(a_running_chain_must_end_where_python_starts),
        cmocka_unit_test(what_is_not_known_says_so),
        cmocka_unit_test(damaged_images_are_read_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
