// SPDX-License-Identifier: MIT
/*
 * The string functions that this library calls, its own.
 *
 * Those of libc are often not libc's: a program built with ThreadSanitizer, a memory debugger or
 * another preloaded library has its own under these names, with thread-local state, locks and
 * allocations. The watchdog has no thread-local memory (watch/thread_memory.h) and the drainer's
 * helper no libc at all. Hidden, so that nobody else in the process gets them; compiled so that the
 * compiler does not turn a loop into a call of the function that it is in.
 *
 * Everything here promises what string.h says, is async-signal-safe and touches its arguments only.
 */
#include <stdint.h>
#include <string.h>

/* string.h names the parameters with two underscores.
 * NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */

/* Sixteen bytes at any address, of any type. */
typedef uint64_t chunk __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t word __attribute__((aligned(1), may_alias));
typedef uint32_t half __attribute__((aligned(1), may_alias));

enum { CHUNK = sizeof(chunk), LONG_COPY = 1024 };

/* At most 16 bytes, which may overlap: all is read before anything is written. */
static inline void move_short(char *to, const char *from, size_t size)
{
    if (size >= 8) {
        uint64_t first = *(const word *)from;
        uint64_t last = *(const word *)(from + size - 8);
        *(word *)to = first;
        *(word *)(to + size - 8) = last;
    } else if (size >= 4) {
        uint32_t first = *(const half *)from;
        uint32_t last = *(const half *)(from + size - 4);
        *(half *)to = first;
        *(half *)(to + size - 4) = last;
    } else if (size > 0) {
        char first = from[0];
        char middle = from[size / 2];
        char last = from[size - 1];
        to[0] = first;
        to[size / 2] = middle;
        to[size - 1] = last;
    }
}

static inline void copy_long(char *to, const char *from, size_t size)
{
#if defined(__x86_64__)
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
#else
    for (; size >= 4 * CHUNK; to += 4 * CHUNK, from += 4 * CHUNK, size -= 4 * CHUNK) {
        chunk a = ((const chunk *)from)[0];
        chunk b = ((const chunk *)from)[1];
        chunk c = ((const chunk *)from)[2];
        chunk d = ((const chunk *)from)[3];
        ((chunk *)to)[0] = a;
        ((chunk *)to)[1] = b;
        ((chunk *)to)[2] = c;
        ((chunk *)to)[3] = d;
    }
    while (size--)
        *to++ = *from++;
#endif
}

/* Forwards: right for areas that do not overlap, and for a `to` below `from`. */
static inline void move_up(char *to, const char *from, size_t size)
{
    if (size >= LONG_COPY) {
        copy_long(to, from, size);
        return;
    }
    chunk last = *(const chunk *)(from + size - CHUNK); /* before it may be overwritten */
    char *end = to + size - CHUNK;
    for (; to < end; to += CHUNK, from += CHUNK)
        *(chunk *)to = *(const chunk *)from;
    *(chunk *)end = last;
}

static inline void move_down(char *to, const char *from, size_t size)
{
    chunk first = *(const chunk *)from;
    while (size > CHUNK) {
        size -= CHUNK;
        *(chunk *)(to + size) = *(const chunk *)(from + size);
    }
    *(chunk *)to = first;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    if (size <= CHUNK)
        move_short(to, from, size);
    else
        move_up(to, from, size);
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    if (size <= CHUNK)
        move_short(to, from, size);
    else if ((uintptr_t)to - (uintptr_t)from >= size)
        move_up(to, from, size);
    else
        move_down(to, from, size);
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    char *at = to;
#if defined(__x86_64__)
    if (size >= LONG_COPY) {
        __asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(byte) : "memory");
        return to;
    }
#endif
    uint64_t all = 0x0101010101010101ULL * (unsigned char)byte;
    chunk fill = {all, all};
    for (; size >= CHUNK; at += CHUNK, size -= CHUNK)
        *(chunk *)at = fill;
    while (size--)
        *at++ = (char)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *left = a;
    const unsigned char *right = b;
    for (; size >= 8 && *(const word *)left == *(const word *)right; left += 8, right += 8)
        size -= 8;
    for (; size; left++, right++, size--)
        if (*left != *right)
            return *left - *right;
    return 0;
}

void *memchr(const void *area, int byte, size_t size)
{
    for (const unsigned char *at = area; size; at++, size--)
        if (*at == (unsigned char)byte)
            return (void *)at;
    return NULL;
}

size_t strlen(const char *text)
{
    const char *end = text;
    while (*end)
        end++;
    return (size_t)(end - text);
}

size_t strnlen(const char *text, size_t limit)
{
    size_t length = 0;
    while (length < limit && text[length])
        length++;
    return length;
}

char *strchrnul(const char *text, int byte)
{
    while (*text && *text != (char)byte)
        text++;
    return (char *)text;
}

char *strchr(const char *text, int byte)
{
    char *found = strchrnul(text, byte);
    return *found == (char)byte ? found : NULL;
}

char *strrchr(const char *text, int byte)
{
    const char *last = NULL;
    for (;; text++) {
        if (*text == (char)byte)
            last = text;
        if (!*text)
            return (char *)last;
    }
}

int strncmp(const char *a, const char *b, size_t limit)
{
    for (; limit; a++, b++, limit--)
        if (*a != *b || !*a)
            return (unsigned char)*a - (unsigned char)*b;
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

size_t strspn(const char *text, const char *accepted)
{
    size_t length = 0;
    while (text[length] && strchr(accepted, text[length]))
        length++;
    return length;
}

size_t strcspn(const char *text, const char *rejected)
{
    size_t length = 0;
    if (rejected[0] && !rejected[1]) /* as nearly all are: each start of a program has some 40 */
        return (size_t)(strchrnul(text, rejected[0]) - text);
    while (text[length] && !strchr(rejected, text[length]))
        length++;
    return length;
}

char *strstr(const char *text, const char *part)
{
    size_t length = strlen(part);
    for (;; text++) {
        if (strncmp(text, part, length) == 0)
            return (char *)text;
        if (!*text)
            return NULL;
    }
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
