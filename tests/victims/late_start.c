// SPDX-License-Identifier: MIT
/*
 * What a program may do before its first call that may block, by raw system calls where a function
 * of libc would be one.   late_start MODE
 *   vfork      a vfork child makes the first call; then stuck on stdout
 *   clone      the same, by clone() with the parent's memory
 *   replaced   fd 2 becomes the file `data`; then stuck on stdout
 *   threads    eight threads come first at once, each stuck on a pipe of its own
 *   chroot     an empty folder becomes the root; then a line on stderr, status 7
 * Ends with stdin.
 */
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8 };
static pthread_barrier_t together;
static char block[131072]; /* more than a pipe holds: the first call gets stuck */

static void write_until_read(int fd)
{
    while (write(fd, block, sizeof block) > 0)
        ;
}

static int touch_stdout(void *unused)
{
    (void)unused;
    return write(1, "x", 1) == 1 ? 0 : 1;
}

static int wait_for(pid_t child)
{
    int status = -1;
    return syscall(SYS_wait4, child, &status, 0, NULL) == child ? status : -1;
}

static void *thread(void *unused)
{
    int ends[2];
    (void)unused;
    if (syscall(SYS_pipe2, ends, 0) != 0)
        err(2, "pipe");
    pthread_barrier_wait(&together);
    write_until_read(ends[1]);
    return NULL;
}

static void run_threads(void)
{
    pthread_t id;
    pthread_barrier_init(&together, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&id, NULL, thread, NULL) != 0)
            err(2, "pthread_create");
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    char byte;
    if (strcmp(mode, "vfork") == 0) {
        pid_t child = vfork();
        if (child == 0)
            _exit(touch_stdout(NULL));
        if (wait_for(child) != 0)
            return 3;
    } else if (strcmp(mode, "clone") == 0) {
        pid_t child =
            clone(touch_stdout, block + sizeof block, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
        if (child < 0 || wait_for(child) != 0)
            return 3;
    } else if (strcmp(mode, "replaced") == 0) {
        close(2);
        if (open("data", O_RDWR | O_CREAT, 0600) != 2)
            return 3;
    } else if (strcmp(mode, "threads") == 0) {
        run_threads();
        while (syscall(SYS_read, 0, &byte, 1) > 0)
            ;
        return 0;
    } else if (strcmp(mode, "chroot") == 0) {
        if (chroot(argv[2]) != 0)
            return 3;
        return write(2, "alive\n", 6) == 6 ? 7 : 1;
    } else {
        return 64;
    }
    write_until_read(1);
    return 0;
}
