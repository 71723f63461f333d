// SPDX-License-Identifier: MIT
/*
 * A life of random turns, for tests/soak/life_soak.py:
 *   soak_life SEED TURNS
 * Each turn says on the descriptor $SOAK_WORDS (stderr) what came of it, in words that do not
 * depend on how long anything took; some bytes go to stdout, which may be read late or not at all.
 * The last turn is the end, whose status the soak compares as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

#define COUNT(array) (sizeof(array) / sizeof *(array))

extern int capset(void *header, const void *data);
extern pid_t _Fork(void);
extern char **environ;

enum { MORE_THAN_A_PIPE = 100000 };
static char block[MORE_THAN_A_PIPE];
static uint64_t state;
static const char *program;
static int words = 2;

static unsigned choose(unsigned below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 33) % below;
}

static void say(const char *turn, const char *how, long result)
{
    dprintf(words, "%s %s %ld\n", turn, how, result);
}

/* A signal's number, or 1000 and the exit status. */
static long outcome(int status)
{
    return WIFSIGNALED(status) ? WTERMSIG(status) : 1000 + WEXITSTATUS(status);
}

static long outcome_of(pid_t child)
{
    int status = -1;
    while (waitpid(child, &status, __WALL) < 0)
        if (errno != EINTR)
            return -errno;
    return outcome(status);
}

static void make_pipe(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        exit(90);
}

/* A pipe that is read after some milliseconds, by a child. */
struct slow_pipe {
    int fd;
    pid_t reader;
};

static struct slow_pipe slow_pipe_make(void)
{
    int ends[2];
    unsigned delay = 2000 + choose(8000);
    make_pipe(ends);
    pid_t reader = fork();
    if (reader == 0) {
        char buffer[4096];
        for (int fd = 3; fd < 64; fd++) /* the writing ends of other pipes as well */
            if (fd != ends[0])
                close(fd);
        usleep(delay);
        while (read(ends[0], buffer, sizeof buffer) > 0)
            ;
        _exit(0);
    }
    close(ends[0]);
    return (struct slow_pipe){ends[1], reader};
}

static long slow_pipe_end(struct slow_pipe pipe)
{
    close(pipe.fd);
    return outcome_of(pipe.reader);
}

static long write_all(int fd, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t written = write(fd, block, size - done);
        if (written < 0 && errno != EINTR)
            return -errno;
        done += written > 0 ? (size_t)written : 0;
    }
    return (long)done;
}

static long write_slowly(void)
{
    struct slow_pipe pipe = slow_pipe_make();
    long written = write_all(pipe.fd, sizeof block);
    return slow_pipe_end(pipe) == 1000 ? written : -1;
}

static void turn_write(void)
{
    say("write", "slow", write_slowly());
}

static void turn_print(void)
{
    int size = (int)choose(20000);
    printf("%*s\n", size, "x");
    if (choose(2))
        fflush(stdout);
    say("print", "stdout", size);
}

/* ---- children ---- */

static void leave(unsigned how)
{
    char *const arguments[] = {"sh", "-c", "exit 5", NULL};
    switch (how) {
    case 0:
        _exit(3);
    case 1:
        exit(4);
    case 2:
        quick_exit(6);
    case 3:
        syscall(SYS_exit, 7);
        break;
    case 4:
        raise(SIGKILL);
        break;
    case 5:
        execve("/nonexistent", arguments, environ);
        execve("/bin/sh", arguments, environ);
        break;
    case 6:
        raise(SIGTERM);
        break;
    default:
        syscall(SYS_exit_group, 8);
    }
    abort();
}

enum { WAYS_TO_LEAVE = 8 };

static void turn_forks(void)
{
    pid_t children[6];
    unsigned count = 1 + choose(COUNT(children));
    for (unsigned i = 0; i < count; i++) {
        unsigned how = choose(WAYS_TO_LEAVE);
        bool slow = choose(2);
        fflush(stdout);
        children[i] = choose(2) ? fork() : _Fork();
        if (children[i] == 0) {
            if (slow)
                write_slowly();
            leave(how);
        }
    }
    for (unsigned i = 0; i < count; i++)
        say("fork", "child", outcome_of(children[i]));
}

static int cloned(void *unused)
{
    (void)unused;
    return (int)write(-1, block, 1) == -1 ? 9 : 1;
}

static void turn_spawn(void)
{
    char *const arguments[] = {"sh", "-c", "sleep 0.005; exit 4", NULL};
    pid_t child = -1;
    fflush(stdout);
    if (posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ) == 0)
        say("spawn", "posix_spawn", outcome_of(child));
    child = vfork();
    if (child == 0) {
        execve("/bin/sh", arguments, environ);
        _exit(99);
    }
    say("spawn", "vfork", outcome_of(child));
    say("spawn", "system", outcome(system("sleep 0.003; exit 2")));
    FILE *stream = popen("sleep 0.003; cat >/dev/null; exit 6", "w");
    if (stream) {
        fwrite(block, 1, sizeof block, stream);
        say("spawn", "popen", outcome(pclose(stream)));
    }
    char *stack = malloc(65536);
    child = clone(cloned, stack + 65536, SIGCHLD | (choose(2) ? CLONE_VM | CLONE_FILES : 0), NULL);
    say("spawn", "clone", outcome_of(child));
    free(stack);
}

/* ---- threads ---- */

static void *write_in_thread(void *fd)
{
    return (void *)write_all((int)(intptr_t)fd, sizeof block);
}

struct stuck_thread {
    struct slow_pipe pipe;
    pthread_t thread;
};

static struct stuck_thread stuck_thread_start(void)
{
    struct stuck_thread stuck = {.pipe = slow_pipe_make()};
    if (pthread_create(&stuck.thread, NULL, write_in_thread, (void *)(intptr_t)stuck.pipe.fd) != 0)
        exit(91);
    return stuck;
}

static long stuck_thread_end(struct stuck_thread stuck)
{
    void *written = NULL;
    pthread_join(stuck.thread, &written);
    return slow_pipe_end(stuck.pipe) == 1000 ? (long)written : -1;
}

static int never_read[2]; /* a full pipe */
static int never_written[2], never_connected[2];

static void make_objects(void)
{
    make_pipe(never_read);
    make_pipe(never_written);
    fcntl(never_read[1], F_SETFL, O_NONBLOCK);
    while (write(never_read[1], block, 4096) > 0)
        ;
    fcntl(never_read[1], F_SETFL, 0);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, never_connected) != 0)
        exit(92);
}

/* Calls that never return. */
static void get_stuck(unsigned how)
{
    struct pollfd polled = {never_written[0], POLLIN, 0};
    char byte;
    if (how == 0 && getenv("SOAK_DRAIN")) /* there such a write returns */
        how = 1;
    switch (how) {
    case 0:
        (void)!write(never_read[1], block, 4096);
        break;
    case 1:
        (void)!read(never_written[0], &byte, 1);
        break;
    case 2:
        poll(&polled, 1, -1);
        break;
    case 3:
        recv(never_connected[0], &byte, 1, 0);
        break;
    case 4:
        sleep(1000);
        break;
    default:
        select(0, NULL, NULL, NULL, NULL);
    }
}

enum { WAYS_TO_BE_STUCK = 6 };

static _Atomic int is_stuck; /* or just about to be */

static void *stuck_for_ever(void *how)
{
    is_stuck = 1;
    get_stuck((unsigned)(intptr_t)how);
    return NULL;
}

static void turn_cancel(void)
{
    pthread_t threads[8];
    unsigned count = 1 + choose(COUNT(threads));
    long cancelled = 0;
    for (unsigned i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, stuck_for_ever,
                       (void *)(intptr_t)choose(WAYS_TO_BE_STUCK));
    usleep(choose(5000));
    for (unsigned i = 0; i < count; i++) {
        void *result = NULL;
        pthread_cancel(threads[i]);
        pthread_join(threads[i], &result);
        cancelled += result == PTHREAD_CANCELED;
    }
    say("cancel", "threads", (long)count - cancelled);
}

static void *raw_exit(void *unused)
{
    (void)!write(-1, block, 1);
    syscall(SYS_exit, 0);
    return unused;
}

static void turn_threads(void)
{
    pthread_t thread;
    long joined = 0;
    for (int i = 0; i < 20; i++) {
        if (pthread_create(&thread, NULL, raw_exit, NULL) == 0)
            joined += pthread_join(thread, NULL) == 0;
    }
    struct stuck_thread a = stuck_thread_start(), b = stuck_thread_start();
    say("threads", "written", stuck_thread_end(a) + stuck_thread_end(b) + joined);
}

/* ---- signals ---- */

static sigjmp_buf back;

static void jump_back(int number)
{
    siglongjmp(back, number);
}

static void in_microseconds(long microseconds)
{
    struct itimerval timer = {{0, 0}, {0, microseconds}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void turn_jump(void)
{
    struct sigaction action = {.sa_handler = jump_back};
    volatile long jumps = 0;
    sigaction(SIGALRM, &action, NULL);
    for (volatile int i = 0; i < 8; i++) {
        unsigned how = choose(WAYS_TO_BE_STUCK);
        long after = 200 + (long)choose(5000);
        if (sigsetjmp(back, 1) == 0) {
            in_microseconds(after);
            get_stuck(how);
        } else {
            jumps++;
        }
    }
    signal(SIGALRM, SIG_DFL);
    say("jump", "out", jumps);
}

static struct slow_pipe handlers_pipe;
static volatile long handlers_result;

static void write_in_handler(int number)
{
    (void)number;
    handlers_result = write_all(handlers_pipe.fd, sizeof block);
}

/* The kernel's frame and 3 KiB, or what a sanitizer needs. */
static size_t small_size(void)
{
    const char *given = getenv("SOAK_SMALL_STACK");
    unsigned long frame = getauxval(AT_MINSIGSTKSZ);
    return (frame ? frame : 2048) + (given ? strtoul(given, NULL, 10) : 3072);
}

static void turn_small_stack(void)
{
    enum { GUARD = 65536, MEMORY = 512 * 1024 };
    struct sigaction action = {.sa_handler = write_in_handler, .sa_flags = SA_ONSTACK};
    stack_t none = {.ss_flags = SS_DISABLE};
    char *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(memory, GUARD, PROT_NONE);
    stack_t stack = {.ss_sp = memory + GUARD, .ss_size = small_size()};
    sigaction(SIGUSR1, &action, NULL);
    sigaltstack(&stack, NULL);
    handlers_pipe = slow_pipe_make();
    raise(SIGUSR1);
    slow_pipe_end(handlers_pipe);
    sigaltstack(&none, NULL);
    munmap(memory, MEMORY);
    say("small-stack", "written", handlers_result);
}

static void count_signal(int number)
{
    (void)number;
}

static void turn_interrupts(void)
{
    struct sigaction action = {.sa_handler = count_signal, .sa_flags = choose(2) ? SA_RESTART : 0};
    struct itimerval timer = {{0, 700}, {0, 700}}, off = {0};
    struct slow_pipe pipe = slow_pipe_make();
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    long written = write_all(pipe.fd, sizeof block);
    setitimer(ITIMER_REAL, &off, NULL);
    signal(SIGALRM, SIG_DFL);
    say("interrupts", "written", written + slow_pipe_end(pipe));
}

/* ---- sandboxes ---- */

static long install(unsigned how, bool strict, struct sock_fprog *filter)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (strict)
        return how == 0   ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0)
               : how == 1 ? syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0)
                          : syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL);
    return how == 0   ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter, 0, 0)
           : how == 1 ? syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter, 0, 0)
                      : syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                how == 2 ? 0 : SECCOMP_FILTER_FLAG_TSYNC, filter);
}

#define ALLOWED(call)                                                                              \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1),                                         \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static long sandbox_here(unsigned how, unsigned kind)
{
    struct sock_filter bare[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOWED(read),
        ALLOWED(write),
        ALLOWED(exit),
        ALLOWED(exit_group),
        ALLOWED(rt_sigreturn),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)};
    struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog filters[] = {{COUNT(bare), bare}, {COUNT(all), all}};
    return install(how, kind == 2, &filters[kind == 1]);
}

/* The child lives from read, write and exit; its parent answers slowly. */
static void live_in_sandbox(int in, int out)
{
    char byte = 'x';
    for (int i = 0; i < 4; i++)
        if (write(out, block, MORE_THAN_A_PIPE / 2) < 0 || read(in, &byte, 1) != 1)
            syscall(SYS_exit, 20);
    syscall(SYS_exit, 21);
}

static void answer_slowly(int in, int out)
{
    static char buffer[MORE_THAN_A_PIPE / 2];
    char byte = 'y';
    for (int i = 0; i < 4; i++) {
        size_t got = 0;
        usleep(2000);
        while (got < sizeof buffer) {
            ssize_t more = read(in, buffer, sizeof buffer - got);
            if (more <= 0)
                return;
            got += (size_t)more;
        }
        if (write(out, &byte, 1) != 1)
            return;
    }
}

static void turn_sandbox(void)
{
    static const char *const kinds[] = {"bare", "all", "strict"};
    unsigned kind = choose(3), how = choose(4);
    bool calls = choose(2);
    bool beside_thread = choose(3) == 0 && kind != 2; /* strict mode ends one thread alone */
    int there[2], here[2];
    make_pipe(there);
    make_pipe(here);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        signal(SIGPIPE, SIG_DFL);
        close(there[0]);
        close(here[1]);
        if (calls)
            write_slowly();
        is_stuck = 0;
        if (beside_thread) /* it gets the filter only by TSYNC, and makes no other call then */
            pthread_create(&thread, NULL, stuck_for_ever, (void *)(intptr_t)choose(2));
        while (beside_thread && !is_stuck)
            sched_yield();
        long installed = sandbox_here(how, kind);
        if (installed != 0)
            _exit(30);
        if (kind == 1) {
            write_slowly();
            _exit(22);
        }
        if (beside_thread) {
            char byte;
            (void)!write(there[1], block, sizeof block / 2);
            (void)!read(here[0], &byte, 1);
            syscall(SYS_exit_group, 23);
        }
        live_in_sandbox(here[0], there[1]);
    }
    close(there[1]);
    close(here[0]);
    signal(SIGPIPE, SIG_IGN);
    answer_slowly(there[0], here[1]);
    close(there[0]);
    close(here[1]);
    say("sandbox", kinds[kind], outcome_of(child));
}

/* ---- rights ---- */

static long give_up(unsigned how)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0}, {0}};
    uint64_t handled = (1 << 1) | (1 << 8);
    switch (how) {
    case 0:
        return setuid(65534);
    case 1:
        return syscall(SYS_setuid, 65534);
    case 2:
        return capset(&header, none);
    case 3:
        return syscall(SYS_capset, &header, none);
    case 4:
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    case 5:
        return unshare(CLONE_NEWUSER);
    case 6:
        return syscall(SYS_unshare, CLONE_NEWNS);
    case 7:
        return seteuid(65534) + seteuid(0);
    case 8: {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        long ruleset = syscall(444, &handled, sizeof handled, 0); /* landlock_create_ruleset */
        return ruleset < 0 ? 0 : syscall(446, ruleset, 0);        /* landlock_restrict_self */
    }
    case 9:
        return setgroups(0, NULL) + setresgid(65534, 65534, 65534) + setresuid(65534, 65534, 65534);
    default:
        return syscall(SYS_setresuid, -1, 65534, -1) + syscall(SYS_setresuid, -1, 0, -1);
    }
}

enum { WAYS_TO_GIVE_UP = 11 };

static void turn_rights(void)
{
    unsigned how = choose(WAYS_TO_GIVE_UP);
    bool beside_thread = choose(2) && how != 5; /* it would have to be there all the time */
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct stuck_thread stuck = {0};
        if (choose(2))
            write_slowly();
        if (beside_thread)
            stuck = stuck_thread_start();
        errno = 0;
        long result = give_up(how);
        dprintf(words, "rights %u %ld %d uid %d %d\n", how, result, errno, (int)getuid(),
                (int)geteuid());
        if (beside_thread)
            say("rights", "thread", stuck_thread_end(stuck));
        say("rights", "after", write_slowly());
        leave(choose(3));
    }
    say("rights", "child", outcome_of(child));
}

/* ---- the end ---- */

static void take_turns(unsigned turns);

static void turn_nested(void)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        take_turns(1 + choose(2));
    say("nested", "child", outcome_of(child));
}

static void *exits_later(void *unused)
{
    (void)unused;
    write_slowly();
    exit(41);
}

static void end(void)
{
    char seed[32];
    pthread_t thread;
    unsigned how = choose(14);
    say("end", "how", how);
    switch (how) {
    case 8:
        pthread_create(&thread, NULL, exits_later, NULL);
        pthread_exit(NULL);
    case 9:
        snprintf(seed, sizeof seed, "%u", choose(1u << 30));
        execl(program, program, seed, "1", (char *)NULL);
        exit(93);
    case 10: /* while threads are in calls that never return */
    case 11:
        for (unsigned i = 0; i < 3; i++)
            pthread_create(&thread, NULL, stuck_for_ever,
                           (void *)(intptr_t)choose(WAYS_TO_BE_STUCK));
        usleep(choose(4000));
        if (how == 10)
            exit(43);
        _exit(44);
    case 12:
        pthread_create(&thread, NULL, raw_exit, NULL);
        pthread_join(thread, NULL);
        syscall(SYS_exit, 45);
        break;
    case 13: {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        abort();
    }
    default:
        leave(how);
    }
}

static void take_turns(unsigned turns)
{
    static void (*const all[])(void) = {
        turn_write,   turn_print,  turn_forks,       turn_spawn,      turn_cancel,
        turn_threads, turn_jump,   turn_small_stack, turn_interrupts, turn_sandbox,
        turn_rights,  turn_nested, turn_sandbox,     turn_rights,
    };
    for (unsigned i = 0; i < turns; i++)
        all[choose(COUNT(all))]();
    end();
}

int main(int argc, char **argv)
{
    program = argv[0];
    const char *given = getenv("SOAK_WORDS");
    if (given)
        words = (int)strtol(given, NULL, 10);
    state = (argc > 1 ? strtoull(argv[1], NULL, 10) : 1) * 0x9E3779B97F4A7C15ULL + 1;
    for (int i = 0; i < 8; i++)
        choose(2);
    make_objects();
    take_turns(argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 4);
}
