// SPDX-License-Identifier: MIT
/*
 * The turns that a program's life takes around a write that is stuck on stdout (a full pipe).
 *   life MODE
 * Each mode says on stderr what it found; the tests compare that with and without the library.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char block[4096];

/* Fills stdout until a write sleeps; returns when a reader has come. */
static void write_until_read(void)
{
    for (int i = 0; i < 64; i++)
        if (write(1, block, sizeof block) < 0)
            exit(9);
}

static void *stuck_thread(void *unused)
{
    write_until_read();
    return unused;
}

static void start_stuck_thread(pthread_t *thread)
{
    pthread_create(thread, NULL, stuck_thread, NULL);
}

static int threads_now(void)
{
    int count = 0;
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "Threads: %d", &count) == 1)
            break;
    if (status)
        fclose(status);
    return count;
}

static int mode_plain(void)
{
    write_until_read();
    fprintf(stderr, "done\n");
    return 7;
}

static int mode_exit_while_stuck(const char *how)
{
    pthread_t thread;
    sigset_t go;
    int number;
    sigemptyset(&go);
    sigaddset(&go, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &go, NULL);
    start_stuck_thread(&thread);
    sigwait(&go, &number); /* the test has seen the report */
    if (strcmp(how, "exit") == 0)
        exit(11);
    if (strcmp(how, "_exit") == 0)
        _exit(12);
    if (strcmp(how, "quick_exit") == 0)
        quick_exit(13);
    abort();
}

/* Children that load a library and print, while reports are made: none may hang. */
static int mode_fork_storm(int children)
{
    pthread_t thread;
    int failed = 0;
    start_stuck_thread(&thread);
    for (int i = 0; i < children; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(20); /* a child that hangs dies of it */
            void *library = dlopen("libm.so.6", RTLD_NOW);
            FILE *null = fopen("/dev/null", "w");
            if (!library || !null || fprintf(null, "x") != 1)
                _exit(1);
            _exit(0);
        }
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            failed++;
    }
    fprintf(stderr, "children %d failed %d\n", children, failed);
    _exit(failed != 0);
}

static int mode_children(void)
{
    extern pid_t _Fork(void);
    extern char **environ;
    int status[3] = {-1, -1, -1};
    char *const arguments[] = {"sh", "-c", "exit 4", NULL};
    pid_t child = _Fork();
    if (child == 0) {
        fprintf(stderr, "in _Fork child\n");
        _exit(3);
    }
    waitpid(child, &status[0], 0);
    if (posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ) == 0)
        waitpid(child, &status[1], 0);
    child = vfork();
    if (child == 0) {
        execv("/bin/sh", arguments);
        _exit(127);
    }
    waitpid(child, &status[2], 0);
    fprintf(stderr, "%d %d %d\n", WEXITSTATUS(status[0]), WEXITSTATUS(status[1]),
            WEXITSTATUS(status[2]));
    write_until_read();
    return 0;
}

static int mode_fork_then_stuck(void)
{
    int status = 0;
    write(1, block, 1);
    pid_t child = fork();
    if (child == 0) {
        write_until_read();
        _exit(0);
    }
    fprintf(stderr, "child %d\n", (int)child);
    waitpid(child, &status, 0);
    return status != 0;
}

static sigjmp_buf back;
static void jump(int signal)
{
    siglongjmp(back, signal);
}

/* Out of a stuck write by a jump; then a long peaceful wait. */
static int mode_longjmp(void)
{
    signal(SIGALRM, jump);
    if (sigsetjmp(back, 1) == 0) {
        alarm(1);
        write_until_read();
    }
    fprintf(stderr, "jumped\n");
    char c;
    return read(0, &c, 1) != 1;
}

static void *cancelled_thread(void *unused)
{
    write_until_read();
    return unused;
}

static int mode_cancel(void)
{
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, cancelled_thread, NULL);
    usleep(500 * 1000);
    pthread_cancel(thread);
    pthread_join(thread, &result);
    fprintf(stderr, "cancelled %d\n", result == PTHREAD_CANCELED);
    char c;
    return read(0, &c, 1) != 1;
}

static int mode_unshare(int after_block)
{
    if (after_block)
        write_until_read();
    for (int i = 0; i < 1000; i++)
        write(1, "", 0);
    int result = unshare(CLONE_NEWUSER);
    fprintf(stderr, "unshare %d errno %d\n", result, result ? errno : 0);
    write_until_read();
    return 0;
}

static int mode_setuid(void)
{
    char line[256];
    write_until_read();
    int result = setuid(65534);
    FILE *tasks = popen("cat /proc/$PPID/task/*/status | grep ^Uid | sort -u", "r");
    fprintf(stderr, "setuid %d\n", result);
    while (tasks && fgets(line, sizeof line, tasks))
        fputs(line, stderr);
    pclose(tasks);
    return 0;
}

static int mode_not_dumpable(void)
{
    prctl(PR_SET_DUMPABLE, 0);
    return mode_plain();
}

static int mode_seccomp(int number, int by_syscall)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, steps};
    write(1, block, sizeof block);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    long result = by_syscall ? syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)
                             : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    fprintf(stderr, "filter %ld\n", result);
    return mode_plain();
}

/* The watchdog must hold none of our files: the reader sees EOF when we close. */
static int mode_close_all(void)
{
    int ends[2];
    char c;
    write_until_read();
    if (pipe(ends) != 0)
        return 1;
    if (fork() == 0) {
        close(ends[1]);
        _exit(read(ends[0], &c, 1) == 0 ? 0 : 1);
    }
    close_range(3, ~0U, 0);
    int status = -1;
    wait(&status);
    int null = open("/dev/null", 2);
    fprintf(stderr, "eof %d next fd %d\n", status == 0, null);
    write_until_read();
    return 0;
}

static void *short_thread(void *unused)
{
    write(2, "", 0);
    return unused;
}

static int mode_many_threads(void)
{
    enum { AT_ONCE = 1000, ROUNDS = 10 };
    static pthread_t threads[AT_ONCE];
    pthread_attr_t small;
    int made = 0;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * 1024);
    write_until_read();
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < AT_ONCE; i++)
            made += pthread_create(&threads[i], &small, short_thread, NULL) == 0;
        for (int i = 0; i < AT_ONCE; i++)
            pthread_join(threads[i], NULL);
    }
    fprintf(stderr, "threads %d\n", made);
    write_until_read();
    return 0;
}

/* What libc and others think of the number of threads while the watchdog runs. */
static int mode_single_threaded(void)
{
    extern char __libc_single_threaded;
    int quiet = threads_now();
    write_until_read();
    fprintf(stderr, "quiet %d single %d\n", quiet, __libc_single_threaded);
    return 0;
}

static pthread_barrier_t barrier;

static void *stuck_after_all_began(void *chosen)
{
    pthread_barrier_wait(&barrier);
    if (chosen)
        write_until_read();
    pthread_barrier_wait(&barrier);
    return NULL;
}

/* Stacks lie side by side: what follows the second thread's is the guard page of the first. */
static int mode_thread_begins(void)
{
    pthread_t threads[3];
    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, stuck_after_all_began, i == 1 ? &barrier : NULL);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    return 0;
}

static void handler(int signal)
{
    (void)signal;
    write(2, "h", 1);
}

static int mode_signals(void)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    int before = errno = 77;
    for (int i = 0; i < 100; i++) {
        raise(SIGUSR1);
        write(1, "", 0);
    }
    fprintf(stderr, " errno %d\n", errno == before);
    write_until_read();
    return 0;
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    const char *extra = argc > 2 ? argv[2] : "";
    if (strcmp(mode, "plain") == 0)
        return mode_plain();
    if (strcmp(mode, "exit") == 0)
        return mode_exit_while_stuck(extra);
    if (strcmp(mode, "fork-storm") == 0)
        return mode_fork_storm(atoi(extra));
    if (strcmp(mode, "children") == 0)
        return mode_children();
    if (strcmp(mode, "fork-then-stuck") == 0)
        return mode_fork_then_stuck();
    if (strcmp(mode, "longjmp") == 0)
        return mode_longjmp();
    if (strcmp(mode, "cancel") == 0)
        return mode_cancel();
    if (strcmp(mode, "unshare") == 0)
        return mode_unshare(extra[0] != '\0');
    if (strcmp(mode, "setuid") == 0)
        return mode_setuid();
    if (strcmp(mode, "not-dumpable") == 0)
        return mode_not_dumpable();
    if (strcmp(mode, "seccomp") == 0)
        return mode_seccomp(atoi(extra), argc > 3);
    if (strcmp(mode, "close-all") == 0)
        return mode_close_all();
    if (strcmp(mode, "many-threads") == 0)
        return mode_many_threads();
    if (strcmp(mode, "single-threaded") == 0)
        return mode_single_threaded();
    if (strcmp(mode, "thread-begins") == 0)
        return mode_thread_begins();
    if (strcmp(mode, "signals") == 0)
        return mode_signals();
    return 64;
}
