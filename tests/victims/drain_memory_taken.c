// SPDX-License-Identifier: MIT
/*
 * Writes to fd 2 from memory that the program takes away, in turn: what cannot be read is EFAULT.
 *   drain_memory_taken WHERE HOW COUNT   WHERE: static, stack, mapped; one thread: COUNT writes
 * that succeed, each followed at once by one that cannot drain_memory_taken race HOW COUNT another
 * thread takes the memory's end away and gives it back, until COUNT writes were made and COUNT were
 * not HOW: mprotect, munmap, mremap, syscall. Says on stdout how many bytes were accepted.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, SMALL = 60, LARGE_PAGES = 4 };

static _Alignas(PAGE) char pages[3 * PAGE];
static const char *how;
static char *elsewhere;
static atomic_bool over;

static void check(int good)
{
    if (!good) {
        perror(how);
        exit(1);
    }
}

static void take(char *page)
{
    if (strcmp(how, "mprotect") == 0)
        check(mprotect(page, PAGE, PROT_NONE) == 0);
    else if (strcmp(how, "munmap") == 0)
        check(munmap(page, PAGE) == 0);
    else if (strcmp(how, "mremap") == 0)
        check(mremap(page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) == elsewhere);
    else
        check(syscall(SYS_mprotect, page, PAGE, PROT_NONE) == 0);
}

static void give(char *page)
{
    if (strcmp(how, "munmap") == 0 || strcmp(how, "mremap") == 0)
        check(mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                   0) == page);
    else
        check(mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0);
}

static long in_turn(char *memory, long count)
{
    for (long i = 0; i < count; i++) {
        check(write(2, memory, SMALL) == SMALL);
        take(memory);
        errno = 0;
        check(write(2, memory, SMALL) == -1 && errno == EFAULT);
        give(memory);
    }
    return count * SMALL;
}

static long in_turn_under_a_filter(long count)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof code / sizeof *code, code};
    check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
          prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0);
    return in_turn(pages + PAGE, count);
}

static void *take_and_give(void *page)
{
    while (!over) {
        take(page);
        give(page);
    }
    return NULL;
}

static long race(long count)
{
    char *memory =
        mmap(NULL, LARGE_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *last = memory + (LARGE_PAGES - 1) * PAGE;
    static const size_t sizes[] = {SMALL, 900, 2 * PAGE, LARGE_PAGES * PAGE};
    pthread_t other;
    check(memory != MAP_FAILED && pthread_create(&other, NULL, take_and_give, last) == 0);
    long bytes = 0;
    long made = 0;
    long refused = 0;
    for (long i = 0; made < count || refused < count; i++) {
        size_t size = sizes[i % 4];
        ssize_t done = write(2, last + PAGE - size, size);
        check(done > 0 || errno == EFAULT);
        bytes += done > 0 ? done : 0;
        made += done == (ssize_t)size;
        refused += done != (ssize_t)size;
    }
    over = true;
    pthread_join(other, NULL);
    return bytes;
}

int main(int argc, char **argv)
{
    _Alignas(PAGE) char stack[3 * PAGE];
    if (argc != 4)
        return 64;
    how = argv[2];
    elsewhere = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long count = atol(argv[3]);
    stack[PAGE] = 0;
    __asm__ volatile("" : : "r"(stack) : "memory");
    char *mapped = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("%ld\n", strcmp(argv[1], "race") == 0       ? race(count)
                    : strcmp(argv[1], "static") == 0   ? in_turn(pages + PAGE, count)
                    : strcmp(argv[1], "filtered") == 0 ? in_turn_under_a_filter(count)
                    : strcmp(argv[1], "stack") == 0    ? in_turn(stack + PAGE, count)
                                                       : in_turn(mapped, count));
    return 0;
}
