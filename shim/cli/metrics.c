// SPDX-License-Identifier: MIT
/* pipeshim metrics: one exporter for all processes of the machine that run the library. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/http_request.h"
#include "cli/options.h"
#include "cli/status/host_sums.h"
#include "config/parse.h"

enum { CLIENT_WAITS_S = 5 }; /* for one that asks or reads byte by byte, all in all */

struct exporter {
    const char *textfile;
    const char *listen;
    uint64_t every_ns;
    struct host_sums sums;
    uint64_t looked_ns; /* CLOCK_MONOTONIC */
    bool was_reported;  /* that the file cannot be written */
};

static volatile sig_atomic_t stopped;

static int print_help(void)
{
    puts("usage: pipeshim metrics [--textfile PATH | --listen ADDR:PORT] [--every D]\n"
         "\n"
         "Metrics of all processes of this machine that run the library, summed by executable, "
         "unit\n"
         "of systemd and container; what processes that have ended had counted stays in the sums.\n"
         "Without an option they are printed once.\n"
         "\n"
         "  --textfile PATH          write them there, replaced as a whole: for node_exporter's\n"
         "                           textfile collector (PATH ends with .prom), else OpenMetrics\n"
         "  --listen ADDR:PORT       serve them at /metrics, for Prometheus: 127.0.0.1:9879\n"
         "  --every D                how often the file is written, and processes are looked at, "
         "so\n"
         "                           that what those that end had counted is kept (15s)\n"
         "  --help, --version\n"
         "\n"
         "Exit status: 0; 1 it cannot be written or listened to; 64 wrong use.");
    return fflush(stdout) == 0 ? 0 : 1;
}

static bool make_text(struct exporter *exporter, bool open_metrics)
{
    exporter->looked_ns = clock_monotonic_ns();
    if (host_sums_refresh(&exporter->sums) && host_sums_render(&exporter->sums, open_metrics))
        return true;
    fprintf(stderr, "pipeshim metrics: /proc cannot be read: %s\n", strerror(errno));
    return false;
}

static bool write_whole(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, text, length);
        if (written < 0 && errno == EINTR && !stopped)
            continue;
        if (written <= 0)
            return false;
        text += written;
        length -= (size_t)written;
    }
    return true;
}

static bool replace_file(const struct exporter *exporter)
{
    char temporary[4096];
    int size = snprintf(temporary, sizeof temporary, "%s.%d.tmp", exporter->textfile, getpid());
    if (size < 0 || (size_t)size >= sizeof temporary) {
        errno = ENAMETOOLONG;
        return false;
    }
    unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool whole =
        write_whole(fd, exporter->sums.text, exporter->sums.length) && fchmod(fd, 0644) == 0;
    whole = close(fd) == 0 && whole && rename(temporary, exporter->textfile) == 0;
    int error = errno;
    if (!whole)
        unlink(temporary);
    errno = error;
    return whole;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);
    return size >= strlen(end) && strcmp(text + size - strlen(end), end) == 0;
}

/* A disk that is full has space again some day: reported once, tried each time. */
static int run_textfile(struct exporter *exporter)
{
    bool first = true;
    while (!stopped) {
        if (!make_text(exporter, !ends_with(exporter->textfile, ".prom")))
            return 1;
        if (replace_file(exporter)) {
            exporter->was_reported = false;
        } else if (!exporter->was_reported) {
            fprintf(stderr, "pipeshim metrics: %s cannot be written: %s\n", exporter->textfile,
                    strerror(errno));
            exporter->was_reported = true;
            if (first)
                return 1;
        }
        first = false;
        struct timespec rest = {(time_t)(exporter->every_ns / NS_PER_S),
                                (long)(exporter->every_ns % NS_PER_S)};
        if (!stopped)
            nanosleep(&rest, NULL);
    }
    unlink(exporter->textfile);
    return 0;
}

static bool parse_address(const char *text, struct sockaddr_storage *address, socklen_t *size)
{
    char host[64];
    uint64_t port;
    const char *colon = strrchr(text, ':');
    if (!colon || !parse_number(colon + 1, &port) || port > 65535 ||
        (size_t)(colon - text) >= sizeof host)
        return false;
    bool bracketed = text[0] == '[' && colon > text + 1 && colon[-1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(colon - text) - 2 * bracketed, text + bracketed);
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof *address);
    if (bracketed && inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *size = sizeof *v6;
        return true;
    }
    if (host[0] == '\0')
        strcpy(host, "0.0.0.0");
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    *size = sizeof *v4;
    return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

/* One at a time is answered: it has so long, for all that it says and reads. */
struct client {
    int fd;
    uint64_t until_ns;
};

static bool client_is_ready(const struct client *client, short events)
{
    struct pollfd waiting = {.fd = client->fd, .events = events};
    uint64_t now = clock_monotonic_ns();
    return now < client->until_ns &&
           poll(&waiting, 1, (int)((client->until_ns - now) / NS_PER_MS) + 1) > 0;
}

static bool client_write(const struct client *client, const char *text, size_t length)
{
    while (length > 0) {
        if (!client_is_ready(client, POLLOUT))
            return false;
        ssize_t sent = send(client->fd, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return false;
        text += sent > 0 ? sent : 0;
        length -= sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

static void answer(struct exporter *exporter, const struct client *client)
{
    static const char not_found[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"
                                    "Connection: close\r\n\r\n";
    char text[8192], head[256];
    struct http_request request;
    size_t size = 0;
    text[0] = '\0';
    while (size < sizeof text - 1 && !http_request_is_whole(text)) {
        if (!client_is_ready(client, POLLIN))
            return;
        ssize_t got = recv(client->fd, text + size, sizeof text - 1 - size, MSG_DONTWAIT);
        if (got <= 0)
            return;
        size += (size_t)got;
        text[size] = '\0';
    }
    http_request_parse(text, &request);
    if (!request.is_for_metrics) {
        client_write(client, not_found, sizeof not_found - 1);
        return;
    }
    if (!make_text(exporter, request.open_metrics))
        return;
    int length =
        snprintf(head, sizeof head,
                 "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                 "Connection: close\r\n\r\n",
                 request.open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                      : "text/plain; version=0.0.4; charset=utf-8",
                 exporter->sums.length);
    if (client_write(client, head, (size_t)length))
        client_write(client, exporter->sums.text, exporter->sums.length);
}

static int run_listen(struct exporter *exporter)
{
    struct sockaddr_storage address;
    socklen_t size;
    int yes = 1;
    if (!parse_address(exporter->listen, &address, &size))
        return usage_error("metrics", "--listen %s: expected ADDR:PORT such as 127.0.0.1:9879",
                           exporter->listen);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 16) != 0) {
        fprintf(stderr, "pipeshim metrics: cannot listen on %s: %s\n", exporter->listen,
                strerror(errno));
        return 1;
    }
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    while (!stopped) {
        int ready = poll(&waiting, 1, (int)(exporter->every_ns / NS_PER_MS));
        int accepted = ready > 0 ? accept4(fd, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (accepted >= 0) {
            const struct client client = {accepted, clock_monotonic_ns() +
                                                        CLIENT_WAITS_S * (uint64_t)NS_PER_S};
            answer(exporter, &client);
            close(accepted);
        }
        /* Also beside one who asks for other pages all the time. */
        if (!stopped && clock_monotonic_ns() - exporter->looked_ns >= exporter->every_ns &&
            !make_text(exporter, false))
            break;
    }
    close(fd);
    return stopped ? 0 : 1;
}

static int run_once(struct exporter *exporter)
{
    if (!make_text(exporter, false))
        return 1;
    return write_whole(STDOUT_FILENO, exporter->sums.text, exporter->sums.length) ? 0 : 1;
}

static void stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

enum { OPTION_TEXTFILE = 1000, OPTION_LISTEN, OPTION_EVERY };

static int take_option(int option, void *context)
{
    struct exporter *exporter = context;
    switch (option) {
    case OPTION_TEXTFILE:
        exporter->textfile = optarg;
        return OPTIONS_READ;
    case OPTION_LISTEN:
        exporter->listen = optarg;
        return OPTIONS_READ;
    default: /* OPTION_EVERY */
        return parse_duration(optarg, &exporter->every_ns) &&
                       exporter->every_ns >= 100 * (uint64_t)NS_PER_MS
                   ? OPTIONS_READ
                   : usage_error("metrics", "--every %s: expected a duration from 100ms", optarg);
    }
}

int command_metrics(int argc, char **argv)
{
    static const struct option known[] = {{"textfile", required_argument, NULL, OPTION_TEXTFILE},
                                          {"listen", required_argument, NULL, OPTION_LISTEN},
                                          {"every", required_argument, NULL, OPTION_EVERY},
                                          OPTIONS_OF_ALL};
    static const struct command_options reading = {"metrics", ":h", known, print_help, take_option};
    static struct exporter exporter = {.every_ns = 15 * (uint64_t)NS_PER_S};
    struct sigaction action = {.sa_handler = stop};
    int status = options_read(&reading, argc, argv, &exporter);
    if (status != OPTIONS_READ)
        return status;
    if (optind < argc)
        return usage_error("metrics", "unexpected argument '%s'", argv[optind]);
    if (exporter.textfile && exporter.listen)
        return usage_error("metrics", "--textfile and --listen exclude each other");
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    status = exporter.textfile ? run_textfile(&exporter)
             : exporter.listen ? run_listen(&exporter)
                               : run_once(&exporter);
    host_sums_free(&exporter.sums);
    return status;
}
