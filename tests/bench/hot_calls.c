// SPDX-License-Identifier: MIT
/*
 * What stands in front of a system call costs, in one process: bare (libc's own functions), through
 * a null wrapper (one jump), and through what is preloaded, in turn, some hundred calls at a time.
 * So other work on the machine disturbs all three alike: what is printed are the median of the
 * ratios, chunk by chunk, and the lower decile of the times.   hot_calls devnull|pipe|turn
 * One line each: WAY, ns, ratio to bare.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHUNKS = 2000, CALLS = 500, WAYS = 3, BARE = 0, NULL_WRAPPER = 1, PRELOADED = 2 };

struct calls {
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*read)(int, void *, size_t);
    int (*epoll_wait)(int, struct epoll_event *, int, int);
};

struct calls libc_calls;
static int fd, reading, epoll;
static double spent[WAYS][CHUNKS], ratio[WAYS][CHUNKS];

#if defined(__x86_64__)
#define JUMP(name, offset)                                                                         \
    __asm__(".text\n.globl null_" name "\n.type null_" name ", %function\nnull_" name              \
            ": jmp *libc_calls+" #offset "(%rip)\n")
#elif defined(__aarch64__)
#define JUMP(name, offset)                                                                         \
    __asm__(".text\n.globl null_" name "\n.type null_" name ", %function\nnull_" name              \
            ": adrp x16, libc_calls\nadd x16, x16, :lo12:libc_calls\n"                             \
            "ldr x16, [x16, #" #offset "]\nbr x16\n")
#endif
JUMP("write", 0);
JUMP("read", 8);
JUMP("epoll_wait", 16);
ssize_t null_write(int, const void *, size_t);
ssize_t null_read(int, void *, size_t);
int null_epoll_wait(int, struct epoll_event *, int, int);

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline __attribute__((always_inline)) double writes(struct calls calls, size_t size)
{
    static const char bytes[64];
    double begun = now_ns();
    for (int i = 0; i < CALLS; i++)
        if (calls.write(fd, bytes, size) != (ssize_t)size)
            exit(1);
    return (now_ns() - begun) / CALLS;
}

static inline __attribute__((always_inline)) double turns(struct calls calls)
{
    struct epoll_event event;
    char byte = 'x';
    double begun = now_ns();
    for (int i = 0; i < CALLS; i++)
        if (calls.epoll_wait(epoll, &event, 1, -1) != 1 || calls.read(reading, &byte, 1) != 1 ||
            calls.write(fd, &byte, 1) != 1)
            exit(1);
    return (now_ns() - begun) / CALLS;
}

/* Each way has calls of its own in the machine code: a processor predicts them apart. All are made
 * through a pointer, as a program's are that was linked with the functions: one that went through a
 * PLT, and the bare one not, would cost some cycles more that are not the library's. */
#define WAY(name, calls)                                                                           \
    static __attribute__((noinline)) double name(const char *mode)                                 \
    {                                                                                              \
        return strcmp(mode, "turn") == 0 ? turns(calls)                                            \
                                         : writes(calls, strcmp(mode, "pipe") == 0 ? 64 : 1);      \
    }
static struct calls null_calls = {null_write, null_read, null_epoll_wait};
static struct calls preloaded_calls = {write, read, epoll_wait};
WAY(by_libc, libc_calls)
WAY(by_null, null_calls)
WAY(by_preloaded, preloaded_calls)

static void begin(const char *mode)
{
    static char buffer[65536];
    int ends[2];
    if (pipe(ends) != 0)
        exit(1);
    fd = ends[1];
    reading = ends[0];
    if (strcmp(mode, "devnull") == 0) {
        fd = open("/dev/null", O_WRONLY);
    } else if (strcmp(mode, "pipe") == 0) {
        if (fork() == 0) {
            close(ends[1]);
            while (read(ends[0], buffer, sizeof buffer) > 0)
                ;
            _exit(0);
        }
        close(ends[0]);
    } else {
        struct epoll_event event = {.events = EPOLLIN};
        epoll = epoll_create1(EPOLL_CLOEXEC);
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, reading, &event) != 0 || write(fd, "x", 1) != 1)
            exit(1);
    }
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

int main(int argc, char **argv)
{
    static const char *const names[WAYS] = {"bare", "null", "preloaded"};
    double (*const run[WAYS])(const char *) = {by_libc, by_null, by_preloaded};
    const char *mode = argc > 1 ? argv[1] : "devnull";
    void *libc = dlopen("libc.so.6", RTLD_NOW);
    if (!libc)
        return 1;
    /* So that the compiler does not know what they are. */
    __asm__ volatile("" : "+m"(null_calls), "+m"(preloaded_calls));
    *(void **)&libc_calls.write = dlsym(libc, "write");
    *(void **)&libc_calls.read = dlsym(libc, "read");
    *(void **)&libc_calls.epoll_wait = dlsym(libc, "epoll_wait");
    begin(mode);
    /* What is preloaded may begin with the first calls, in a thread that has to run once: at
     * real-time priority on one CPU it never would, and share the table of descriptors meanwhile.
     */
    for (int i = 0; i < WAYS; i++)
        run[i](mode);
    nanosleep(&(struct timespec){.tv_nsec = 100L * 1000 * 1000}, NULL);
    for (int chunk = -CHUNKS / 10; chunk < CHUNKS; chunk++)
        for (int i = 0; i < WAYS; i++) {
            unsigned way = (unsigned)(i + chunk + CHUNKS) % WAYS;
            double ns = run[way](mode);
            if (chunk >= 0)
                spent[way][chunk] = ns;
        }
    for (int way = 0; way < WAYS; way++)
        for (int chunk = 0; chunk < CHUNKS; chunk++)
            ratio[way][chunk] = spent[way][chunk] / spent[BARE][chunk];
    for (int way = 0; way < WAYS; way++) {
        qsort(spent[way], CHUNKS, sizeof spent[way][0], compare);
        qsort(ratio[way], CHUNKS, sizeof ratio[way][0], compare);
        printf("%s %.1f %.4f\n", names[way], spent[way][CHUNKS / 10], ratio[way][CHUNKS / 2]);
    }
    close(fd);
    return 0;
}
