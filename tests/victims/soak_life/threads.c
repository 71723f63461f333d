// SPDX-License-Identifier: MIT
/* Threads that end, are cancelled, or get stuck. */
#include "life.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static void *write_in_thread(void *fd)
{
    return (void *)write_all((int)(intptr_t)fd, sizeof block);
}

struct stuck_thread stuck_thread_start(void)
{
    struct stuck_thread stuck = {.pipe = slow_pipe_make()};
    if (pthread_create(&stuck.thread, NULL, write_in_thread, (void *)(intptr_t)stuck.pipe.fd) != 0)
        exit(91);
    return stuck;
}

long stuck_thread_end(struct stuck_thread stuck)
{
    void *written = NULL;
    pthread_join(stuck.thread, &written);
    return slow_pipe_end(stuck.pipe) == 1000 ? (long)written : -1;
}

static int never_read[2]; /* a full pipe */
static int never_written[2], never_connected[2];

void make_objects(void)
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

void get_stuck(unsigned how)
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

_Atomic int is_stuck; /* or just about to be */

void *stuck_for_ever(void *how)
{
    is_stuck = 1;
    get_stuck((unsigned)(intptr_t)how);
    return NULL;
}

void turn_cancel(void)
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

void *raw_exit(void *unused)
{
    (void)!write(-1, block, 1);
    syscall(SYS_exit, 0);
    return unused;
}

void turn_threads(void)
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
