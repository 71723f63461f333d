// SPDX-License-Identifier: MIT
/*
 * An epoll loop that turns, is blocked by one callback in the way that argv[1] names, and turns
 * again. SIGUSR1 jumps out of whatever blocks. argv[2] is a path that may be made, argv[3] the
 * number of turns before, argv[4] after (without it the same).
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static sigjmp_buf released;
static const char *path;
static pid_t child;
static int ends[2];
static struct sockaddr_in address = {.sin_family = AF_INET};

/* One that comes before there is a place to jump to (on a busy machine the first turns take long)
 * counts when there is. */
static volatile sig_atomic_t may_jump, is_released;

static void release(int number)
{
    (void)number;
    is_released = 1;
    if (may_jump)
        siglongjmp(released, 1);
}

/* A child that lives until it is killed, its own stdio closed: it keeps nobody's pipe open. */
static void make_child(void (*first)(int), int tell)
{
    child = fork();
    if (child != 0)
        return;
    signal(SIGUSR1, SIG_DFL);
    if (first)
        first(tell);
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    for (;;)
        sleep(60);
}

static void lock_flock(int tell)
{
    flock(open(path, O_RDWR | O_CREAT, 0600), LOCK_EX);
    (void)!write(tell, "x", 1);
}

static void lock_record(int tell)
{
    (void)!lockf(open(path, O_RDWR | O_CREAT, 0600), F_LOCK, 0);
    (void)!write(tell, "x", 1);
}

static int locked_file(void (*lock)(int))
{
    char byte;
    int ready[2];
    if (pipe(ready) < 0)
        abort();
    make_child(lock, ready[1]);
    (void)!read(ready[0], &byte, 1);
    return open(path, O_RDWR);
}

static int listener(int backlog)
{
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, backlog) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        abort();
    return fd;
}

static int connected(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    listener(8);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        abort();
    return fd;
}

static void fill_queue(void)
{
    listener(0);
    for (int i = 0; i < 3; i++)
        connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), (struct sockaddr *)&address,
                sizeof address);
}

static int lock_file;

/* Before the loop: on a machine with other work the child's start may block as well. */
static void prepare_file_locks(const char *way)
{
    if (strcmp(way, "flock") == 0)
        lock_file = locked_file(lock_flock);
    else if (strcmp(way, "lockf") == 0 || strcmp(way, "fcntl") == 0)
        lock_file = locked_file(lock_record);
}

static void block_file_locks(const char *way)
{
    if (strcmp(way, "flock") == 0) {
        flock(lock_file, LOCK_EX);
    } else if (strcmp(way, "lockf") == 0) {
        (void)!lockf(lock_file, F_LOCK, 0);
    } else if (strcmp(way, "fcntl") == 0) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        fcntl(lock_file, F_SETLKW, &lock);
    } else if (strcmp(way, "fifo") == 0) {
        mkfifo(path, 0600);
        open(path, O_RDONLY);
    }
}

static void block_sleeps(const char *way)
{
    struct timespec minute = {60, 0};
    struct timeval minute_too = {60, 0};
    sigset_t other;
    siginfo_t info;
    int number;
    sigemptyset(&other);
    sigaddset(&other, SIGUSR2);
    if (strcmp(way, "sleep") == 0)
        sleep(60);
    else if (strcmp(way, "usleep") == 0)
        usleep(60 * 1000 * 1000);
    else if (strcmp(way, "nanosleep") == 0)
        nanosleep(&minute, NULL);
    else if (strcmp(way, "clock_nanosleep") == 0)
        clock_nanosleep(CLOCK_MONOTONIC, 0, &minute, NULL);
    else if (strcmp(way, "select") == 0)
        select(0, NULL, NULL, NULL, &minute_too);
    else if (strcmp(way, "poll") == 0)
        poll(NULL, 0, 60000);
    else if (strcmp(way, "pause") == 0)
        pause();
    else if (strcmp(way, "sigsuspend") == 0)
        sigsuspend(&other);
    else if (strcmp(way, "sigwait") == 0)
        sigwait(&other, &number);
    else if (strcmp(way, "sigwaitinfo") == 0)
        sigwaitinfo(&other, &info);
    else if (strcmp(way, "sigtimedwait") == 0)
        sigtimedwait(&other, &info, &minute);
}

static void block_children(const char *way)
{
    siginfo_t info;
    struct rusage usage;
    int status;
    if (strcmp(way, "system") == 0) {
        (void)!system("exec sleep 60 <&- >&- 2>&-");
        return;
    }
    if (strcmp(way, "pclose") == 0) {
        pclose(popen("exec sleep 60 >&- 2>&-", "w"));
        return;
    }
    if (strncmp(way, "wait", 4) != 0)
        return;
    make_child(NULL, 0);
    if (strcmp(way, "wait") == 0)
        wait(&status);
    else if (strcmp(way, "waitpid") == 0)
        waitpid(child, &status, 0);
    else if (strcmp(way, "wait3") == 0)
        wait3(&status, 0, &usage);
    else if (strcmp(way, "wait4") == 0)
        wait4(child, &status, 0, &usage);
    else
        waitid(P_PID, (id_t)child, &info, WEXITED);
}

static void block_network(const char *way)
{
    char byte;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    int nested;
    struct epoll_event event = {.events = EPOLLIN};
    if (strcmp(way, "recv") == 0) {
        recv(connected(), &byte, 1, 0);
    } else if (strcmp(way, "recvmsg") == 0) {
        recvmsg(connected(), &message, 0);
    } else if (strcmp(way, "read_socket") == 0) {
        (void)!read(connected(), &byte, 1);
    } else if (strcmp(way, "accept") == 0) {
        accept(listener(8), NULL, NULL);
    } else if (strcmp(way, "accept4") == 0) {
        accept4(listener(8), NULL, NULL, 0);
    } else if (strcmp(way, "connect") == 0) {
        fill_queue();
        connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&address, sizeof address);
    } else if (strcmp(way, "poll_socket") == 0) {
        struct pollfd wanted = {.fd = connected(), .events = POLLIN};
        poll(&wanted, 1, 60000);
    } else if (strcmp(way, "select_socket") == 0) {
        fd_set wanted;
        int fd = connected();
        FD_ZERO(&wanted);
        FD_SET(fd, &wanted);
        select(fd + 1, &wanted, NULL, NULL, NULL);
    } else if (strcmp(way, "epoll_socket") == 0) {
        nested = epoll_create1(0);
        epoll_ctl(nested, EPOLL_CTL_ADD, connected(), &event);
        epoll_wait(nested, &event, 1, -1);
    }
}

static void block_locks(const char *way)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    static sem_t semaphore;
    if (strcmp(way, "mutex") == 0) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_lock(&mutex);
    } else if (strcmp(way, "condition") == 0) {
        pthread_mutex_lock(&mutex);
        pthread_cond_wait(&condition, &mutex);
    } else if (strcmp(way, "semaphore") == 0) {
        sem_wait(&semaphore);
    }
}

static void block_pipes(const char *way)
{
    static char bytes[100000];
    if (pipe(ends) < 0)
        abort();
    if (strcmp(way, "pipe_read") == 0)
        (void)!read(ends[0], bytes, 1);
    else if (strcmp(way, "pipe_write") == 0)
        (void)!write(ends[1], bytes, sizeof bytes);
    else if (strcmp(way, "raw_read") == 0)
        syscall(SYS_read, ends[0], bytes, 1);
    else if (strcmp(way, "raw_nanosleep") == 0)
        syscall(SYS_clock_nanosleep, CLOCK_REALTIME, 0, &(struct timespec){60, 0}, NULL);
}

static void compute(const char *way)
{
    volatile unsigned long number = 1;
    if (strcmp(way, "cpu") != 0)
        return;
    for (;;)
        number = number * 6364136223846793005UL + 1;
}

__attribute__((noinline)) static void blocked_here(const char *way)
{
    if (sigsetjmp(released, 1) == 0)
        may_jump = 1;
    if (!is_released) {
        block_sleeps(way);
        block_children(way);
        block_file_locks(way);
        block_network(way);
        block_locks(way);
        block_pipes(way);
        compute(way);
    }
    may_jump = 0;
    if (child > 0)
        kill(child, SIGKILL);
}

/* One turn each 10 ms: the timer is what the loop waits for. */
__attribute__((noinline)) static void turn(int loop, int timer)
{
    struct epoll_event event;
    uint64_t expirations;
    if (epoll_wait(loop, &event, 1, -1) == 1)
        (void)!read(timer, &expirations, sizeof expirations);
}

int main(int count, char **arguments)
{
    struct itimerspec period = {{0, 10000000}, {0, 10000000}};
    struct epoll_event wanted = {.events = EPOLLIN};
    const char *way = count > 1 ? arguments[1] : "none";
    path = count > 2 ? arguments[2] : "/nonexistent";
    int iterations = count > 3 ? atoi(arguments[3]) : 20;
    struct sigaction action = {.sa_handler = release};
    sigaction(SIGUSR1, &action, NULL);
    prepare_file_locks(way);
    int loop = epoll_create1(0);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    timerfd_settime(timer, 0, &period, NULL);
    epoll_ctl(loop, EPOLL_CTL_ADD, timer, &wanted);
    for (int i = 0; i < iterations; i++)
        turn(loop, timer);
    if (strcmp(way, "none") != 0)
        blocked_here(way);
    int after = count > 4 ? atoi(arguments[4]) : iterations;
    for (int i = 0; i < after; i++)
        turn(loop, timer);
    return 0;
}
