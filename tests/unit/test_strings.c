// SPDX-License-Identifier: MIT
/* The library's own string functions against libc's, at every alignment and around every size at
 * which they change their way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Under other names here, so that libc's remain. */
#define memchr    own_memchr
#define memcmp    own_memcmp
#define memcpy    own_memcpy
#define memmove   own_memmove
#define memset    own_memset
#define strchr    own_strchr
#define strchrnul own_strchrnul
#define strcmp    own_strcmp
#define strcspn   own_strcspn
#define strlen    own_strlen
#define strncmp   own_strncmp
#define strnlen   own_strnlen
#define strrchr   own_strrchr
#define strspn    own_strspn
#define strstr    own_strstr
#include "main/strings.c"
#undef memchr
#undef memcmp
#undef memcpy
#undef memmove
#undef memset
#undef strchr
#undef strchrnul
#undef strcmp
#undef strcspn
#undef strlen
#undef strncmp
#undef strnlen
#undef strrchr
#undef strspn
#undef strstr

extern void *memchr(const void *, int, size_t);
extern int memcmp(const void *, const void *, size_t);
extern void *memcpy(void *restrict, const void *restrict, size_t);
extern void *memmove(void *, const void *, size_t);
extern void *memset(void *, int, size_t);
extern char *strchr(const char *, int);
extern char *strchrnul(const char *, int);
extern int strcmp(const char *, const char *);
extern size_t strcspn(const char *, const char *);
extern size_t strlen(const char *);
extern int strncmp(const char *, const char *, size_t);
extern size_t strnlen(const char *, size_t);
extern char *strrchr(const char *, int);
extern size_t strspn(const char *, const char *);
extern char *strstr(const char *, const char *);

#include <cmocka.h>

enum { AREA = 4096, BEGIN = 1024 };

static unsigned char ours[AREA];
static unsigned char theirs[AREA];

static void fill(void)
{
    for (int i = 0; i < AREA; i++)
        ours[i] = theirs[i] = (unsigned char)(rand() >> 7);
}

static const size_t sizes[] = {0,   1,   2,   3,   4,   5,    7,    8,    9,    15,  16,  17,
                               18,  31,  32,  33,  47,  48,   63,   64,   65,   100, 127, 128,
                               129, 255, 256, 511, 512, 1000, 1023, 1024, 1025, 1500};

#define FOR_EACH_SIZE(size)                                                                        \
    for (unsigned index = 0; index < sizeof sizes / sizeof *sizes; index++)                        \
        for (size_t size = sizes[index], once = 1; once; once = 0)

static void copies(void **state)
{
    (void)state;
    FOR_EACH_SIZE(size)
    {
        for (unsigned from = 0; from < 17; from++) {
            for (unsigned to = 0; to < 17; to++) {
                fill();
                assert_ptr_equal(own_memcpy(ours + to, ours + 2000 + from, size), ours + to);
                memcpy(theirs + to, theirs + 2000 + from, size);
                assert_memory_equal(ours, theirs, AREA);
            }
        }
    }
}

static void moves_that_overlap(void **state)
{
    (void)state;
    FOR_EACH_SIZE(size)
    {
        for (int distance = -40; distance <= 40; distance++) {
            fill();
            assert_ptr_equal(own_memmove(ours + BEGIN + distance, ours + BEGIN, size),
                             ours + BEGIN + distance);
            memmove(theirs + BEGIN + distance, theirs + BEGIN, size);
            assert_memory_equal(ours, theirs, AREA);
        }
    }
}

static void fills(void **state)
{
    (void)state;
    FOR_EACH_SIZE(size)
    {
        for (unsigned to = 0; to < 17; to++) {
            fill();
            assert_ptr_equal(own_memset(ours + to, (int)(size + 0x1f0), size), ours + to);
            memset(theirs + to, (int)(size + 0x1f0), size);
            assert_memory_equal(ours, theirs, AREA);
        }
    }
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void comparisons(void **state)
{
    (void)state;
    FOR_EACH_SIZE(size)
    {
        for (unsigned offset = 0; offset < 9; offset++) {
            fill();
            memcpy(theirs + offset, ours, size);
            assert_int_equal(own_memcmp(ours, theirs + offset, size), 0);
            for (size_t at = 0; at < size; at += 1 + size / 20) {
                theirs[offset + at] ^= 0x80;
                assert_int_equal(sign(own_memcmp(ours, theirs + offset, size)),
                                 sign(memcmp(ours, theirs + offset, size)));
                assert_ptr_equal(own_memchr(ours, theirs[offset + at], size),
                                 memchr(ours, theirs[offset + at], size));
                theirs[offset + at] ^= 0x80;
            }
        }
    }
}

/* Short texts of few letters, so that parts are found often. */
static void texts(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        char a[24];
        char b[8];
        for (unsigned i = 0; i < sizeof a; i++)
            a[i] = "ab\xff\0"[rand() >> 5 & 3];
        for (unsigned i = 0; i < sizeof b; i++)
            b[i] = "ab\xff\0"[rand() >> 5 & 3];
        a[sizeof a - 1] = b[sizeof b - 1] = '\0';
        int letter = "ab\xff\0c"[rand() % 5];
        size_t limit = (size_t)(rand() % 10);
        assert_int_equal(own_strlen(a), strlen(a));
        assert_int_equal(own_strnlen(a, limit), strnlen(a, limit));
        assert_ptr_equal(own_strchr(a, letter), strchr(a, letter));
        assert_ptr_equal(own_strchrnul(a, letter), strchrnul(a, letter));
        assert_ptr_equal(own_strrchr(a, letter), strrchr(a, letter));
        assert_int_equal(sign(own_strcmp(a, b)), sign(strcmp(a, b)));
        assert_int_equal(sign(own_strncmp(a, b, limit)), sign(strncmp(a, b, limit)));
        assert_int_equal(own_strspn(a, b), strspn(a, b));
        assert_int_equal(own_strcspn(a, b), strcspn(a, b));
        assert_ptr_equal(own_strstr(a, b), strstr(a, b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies), cmocka_unit_test(moves_that_overlap),
        cmocka_unit_test(fills),  cmocka_unit_test(comparisons),
        cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
