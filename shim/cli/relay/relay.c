// SPDX-License-Identifier: MIT
#include "cli/relay/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/relay/loadable.h"
#include "cli/relay/relay_process.h"

enum { FD_BOUND = 1024 };

/* As the library reads PIPESHIM_DRAIN (drain/descriptor.h). */
static bool is_named(const char *list, int fd)
{
    if (strcmp(list, "all") == 0)
        return fd > 0;
    if (strcmp(list, "stdio") == 0)
        return fd == STDOUT_FILENO || fd == STDERR_FILENO;
    if (strcmp(list, "stdout") == 0 || strcmp(list, "stderr") == 0)
        return fd == (list[3] == 'o' ? STDOUT_FILENO : STDERR_FILENO);
    for (const char *at = list; *at;) {
        char *end;
        long number = strtol(at, &end, 10);
        if (end != at && number == fd)
            return true;
        at = end + strcspn(end, ",");
        at += *at == ',';
    }
    return false;
}

static bool is_unix_stream(int fd)
{
    int domain = 0;
    int type = 0;
    socklen_t size = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/* That the command will inherit, and may write to. */
static bool is_writable_stream(int fd, struct stat *status)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (fcntl(fd, F_GETFD) & FD_CLOEXEC) || fstat(fd, status) != 0)
        return false;
    if (S_ISSOCK(status->st_mode))
        return is_unix_stream(fd);
    return S_ISFIFO(status->st_mode) && (flags & O_ACCMODE) != O_RDONLY;
}

static void add(struct relay *relay, int fd, const struct stat *status)
{
    struct relay_stream *stream = relay->streams;
    for (; stream < relay->streams + relay->count; stream++)
        if (stream->device == status->st_dev && stream->inode == status->st_ino)
            break;
    if (stream == relay->streams + RELAY_LIMIT)
        return;
    if (stream == relay->streams + relay->count) {
        *stream = (struct relay_stream){.device = status->st_dev,
                                        .inode = status->st_ino,
                                        .is_socket = S_ISSOCK(status->st_mode),
                                        .inside = -1,
                                        .outside = -1};
        relay->count++;
    }
    if (stream->fd_count < RELAY_LIMIT)
        stream->fds[stream->fd_count++] = fd;
}

/* Ours is as the other one is: its size, and whether it waits. */
static bool make(struct relay_stream *stream)
{
    int ends[2];
    if (stream->is_socket ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0
                          : pipe2(ends, O_CLOEXEC) != 0)
        return false;
    stream->outside = ends[0];
    stream->inside = ends[1];
    int size = stream->is_socket ? -1 : fcntl(stream->fds[0], F_GETPIPE_SZ);
    if (size > 0)
        fcntl(stream->inside, F_SETPIPE_SZ, size);
    fcntl(stream->inside, F_SETFL, fcntl(stream->fds[0], F_GETFL) & O_NONBLOCK);
    fcntl(stream->outside, F_SETFL, O_NONBLOCK);
    return true;
}

static void undo(struct relay *relay)
{
    for (unsigned i = 0; i < relay->count; i++) {
        if (relay->streams[i].inside >= 0)
            close(relay->streams[i].inside);
        if (relay->streams[i].outside >= 0)
            close(relay->streams[i].outside);
    }
    relay->count = 0;
}

static void choose(struct relay *relay, const char *list)
{
    struct stat status;
    for (int fd = 1; fd < FD_BOUND; fd++)
        if (is_named(list, fd) && is_writable_stream(fd, &status))
            add(relay, fd, &status);
}

/* "stdout, stderr". */
static void print_names(const struct relay *relay)
{
    const char *before = "";
    for (unsigned i = 0; i < relay->count; i++)
        for (unsigned k = 0; k < relay->streams[i].fd_count; k++) {
            int fd = relay->streams[i].fds[k];
            if (fd <= STDERR_FILENO)
                fprintf(stderr, "%s%s", before, fd == STDOUT_FILENO ? "stdout" : "stderr");
            else
                fprintf(stderr, "%sfd %d", before, fd);
            before = ", ";
        }
}

static void say(const struct relay *relay, const char *command, const char *why, const char *list)
{
    fprintf(stderr, "pipeshim run: %s %s, and cannot load the library: ", command, why);
    if (relay->count > 0) {
        fputs("a relay queues what is not read of ", stderr);
        print_names(relay);
    } else {
        fputs("nothing is drained", stderr);
    }
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
        if (is_named(list, fd) && isatty(fd))
            fprintf(stderr, "; %s is a terminal and stays one",
                    fd == STDOUT_FILENO ? "stdout" : "stderr");
    fputs("\n", stderr);
}

void relay_open(struct relay *relay, const char *command, const struct settings *settings,
                const struct run_log *log)
{
    const char *list = settings->text[SETTING_DRAIN];
    int control[2];
    *relay = (struct relay){.control = -1};
    /* With PIPESHIM=off no other setting is read. */
    if (settings->number[SETTING_ENABLED] == 0 || !list || !list[0] || strcmp(list, "off") == 0)
        return;
    const char *why = loadable_why_not(command);
    if (!why)
        return;
    choose(relay, list);
    bool made =
        relay->count == 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) == 0;
    for (unsigned i = 0; made && i < relay->count; i++)
        made = make(&relay->streams[i]);
    if (!made) {
        fprintf(stderr, "pipeshim run: no relay: %s; nothing is drained\n", strerror(errno));
        undo(relay);
        return;
    }
    say(relay, command, why, list);
    if (relay->count == 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        close(control[0]);
        relay_process(relay->streams, relay->count, control[1], command, settings, log);
    }
    close(control[1]);
    relay->control = control[0];
    relay->pid = pid;
    if (pid > 0)
        return;
    fprintf(stderr, "pipeshim run: no relay: %s; nothing is drained\n", strerror(errno));
    close(relay->control);
    relay->control = -1;
    relay->pid = 0;
    undo(relay);
}

void relay_enter(const struct relay *relay)
{
    for (unsigned i = 0; relay->pid > 0 && i < relay->count; i++)
        for (unsigned k = 0; k < relay->streams[i].fd_count; k++)
            dup2(relay->streams[i].inside, relay->streams[i].fds[k]);
}

void relay_let_go(struct relay *relay, pid_t command)
{
    if (relay->pid <= 0)
        return;
    undo(relay); /* else the relay would never see the end */
    if (command > 0) {
        ssize_t unused = send(relay->control, &command, sizeof command, MSG_NOSIGNAL);
        (void)unused;
    } else {
        close(relay->control);
        relay->control = -1;
    }
}

static bool is_asked_to_end(int signal_fd)
{
    struct signalfd_siginfo info;
    bool ends = false;
    while (read(signal_fd, &info, sizeof info) == sizeof info)
        ends |= info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT || info.ssi_signo == SIGHUP;
    return ends;
}

void relay_wait(struct relay *relay, int signal_fd)
{
    struct pollfd news[] = {{relay->control, POLLIN, 0}, {signal_fd, POLLIN, 0}};
    if (relay->control < 0)
        return;
    ssize_t unused = send(relay->control, "e", 1, MSG_NOSIGNAL);
    (void)unused;
    do {
        news[0].revents = news[1].revents = 0;
        poll(news, 2, -1);
    } while (!news[0].revents && !(news[1].revents && is_asked_to_end(signal_fd)));
    close(relay->control);
    relay->control = -1;
}
