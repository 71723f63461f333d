// SPDX-License-Identifier: MIT
#include "cli/relay/relay_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/relay/lane.h"
#include "cli/relay/lane_events.h"
#include "cli/relay/relay_log.h"
#include "config/parse.h"
#include "kernel/memory_limit.h"
#include "report/log_path.h"

static struct lane lanes[RELAY_LIMIT];
static unsigned lane_count;
static const struct settings *config;
static pid_t program;
static volatile sig_atomic_t dismissed; /* SIGTERM came */

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void on_term(int number)
{
    (void)number;
    dismissed = 1;
}

static uint64_t left(void)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < lane_count; i++)
        bytes += byte_queue_used(&lanes[i].queue);
    return bytes;
}

static bool inputs_are_open(void)
{
    for (unsigned i = 0; i < lane_count; i++)
        if (lanes[i].in >= 0)
            return true;
    return false;
}

/* `run` says that the command has ended, or has gone itself. */
static void hear_run(int *control, uint64_t now, uint64_t *ended)
{
    char word;
    if (*control >= 0 && read(*control, &word, 1) != 1) {
        close(*control);
        *control = -1;
    } else if (*ended == 0) {
        *ended = now;
    }
}

/* One round. Without anything to do it sleeps, `patience_ms` at most. */
static void go_round(int *control, int patience_ms, uint64_t *ended)
{
    struct pollfd wants[2 * RELAY_LIMIT + 1];
    bool drops = config->number[SETTING_DRAIN_OVERFLOW] != OVERFLOW_BLOCK;
    for (size_t i = 0; i < lane_count; i++) {
        struct lane *lane = &lanes[i];
        bool space = drops || byte_queue_used(&lane->queue) < lane->queue.size;
        bool queued = byte_queue_used(&lane->queue) > 0;
        wants[2 * i] = (struct pollfd){space ? lane->in : -1, POLLIN, 0};
        /* Without anything to send: only that the reader has gone, which the command is to hear. */
        wants[2 * i + 1] = (struct pollfd){lane->out, queued ? POLLOUT : 0, 0};
        if (queued && !lane->report_seq && patience_ms > (int)(LANE_REPORTED_AFTER_NS / NS_PER_MS))
            patience_ms = LANE_REPORTED_AFTER_NS / NS_PER_MS;
    }
    wants[2 * (size_t)lane_count] = (struct pollfd){*control, POLLIN, 0};
    if (poll(wants, 2 * (size_t)lane_count + 1, patience_ms) < 0)
        return;
    uint64_t now = now_ns();
    if (wants[2 * (size_t)lane_count].revents)
        hear_run(control, now, ended);
    for (size_t i = 0; i < lane_count; i++) {
        struct lane *lane = &lanes[i];
        if (wants[2 * i + 1].revents & (POLLERR | POLLNVAL | (lane->is_socket ? POLLHUP : 0)))
            lane_lose_reader(lane);
        if (wants[2 * i].revents && lane->in >= 0)
            lane_receive(lane, (enum overflow)config->number[SETTING_DRAIN_OVERFLOW], now);
        if (lane->out >= 0 && byte_queue_used(&lane->queue) > 0)
            lane_send(lane, now);
        lane_report(lane, now);
        if (lane->in < 0 && lane->out >= 0 && byte_queue_used(&lane->queue) == 0)
            lane_close(lane);
    }
}

/* The first lane gets the path, another one the path and its fd: they must not mix. */
static bool spool_path(const struct lane *lane, char path[LOG_PATH_LIMIT])
{
    if (!relay_log_expand(config->text[SETTING_DRAIN_SPOOL], path))
        return false;
    size_t length = strlen(path);
    return lane == lanes || (size_t)snprintf(path + length, LOG_PATH_LIMIT - length, ".fd%d",
                                             lane->fd) < LOG_PATH_LIMIT - length;
}

/* PIPESHIM_DRAIN_SPOOL: what nobody has read goes to the file, in order of the streams. */
static void spool(struct lane *lane)
{
    char path[LOG_PATH_LIMIT];
    if (!spool_path(lane, path)) {
        relay_log_warning("PIPESHIM_DRAIN_SPOOL has no path (too long, or the current folder is "
                          "gone); what is queued is handed over");
        return;
    }
    int file = (int)log_path_open(path);
    if (file < 0) {
        char words[LOG_PATH_LIMIT + 128];
        snprintf(words, sizeof words,
                 "PIPESHIM_DRAIN_SPOOL: %s cannot be opened: %s; what is queued is handed over",
                 path, strerror(-file));
        relay_log_warning(words);
        return;
    }
    uint64_t now = now_ns();
    lane->hung_ns += lane_stands_for(lane, now);
    lane->moved_ns = now;
    off_t offset = lseek(file, 0, SEEK_END);
    uint64_t before = byte_queue_used(&lane->queue);
    while (byte_queue_used(&lane->queue) > 0) {
        size_t size;
        const char *from = byte_queue_next(&lane->queue, &size);
        ssize_t done = write(file, from, size);
        if (done <= 0)
            break;
        byte_queue_took(&lane->queue, (size_t)done);
    }
    close(file);
    lane->spooled = before - byte_queue_used(&lane->queue);
    lane_report_spool(lane, path, offset);
}

static void say_to_run(int control, enum relay_word word)
{
    char letter = (char)word;
    ssize_t unused = send(control, &letter, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)unused;
}

/* The command's own descriptors of ours are not ours to keep open, nor is anything else. */
static void keep_only(const struct relay_stream *streams, unsigned count, int control)
{
    for (int fd = 0; fd < 1024; fd++) {
        bool kept = fd == control || fd == STDERR_FILENO;
        for (unsigned i = 0; i < count; i++)
            kept |= fd == streams[i].outside || fd == streams[i].fds[0];
        if (!kept)
            close(fd);
    }
    close_range(1024, ~0U, 0);
}

/* As the library's: a queue must not let the kernel kill where the command would have waited. */
static uint64_t bound_of_all(void)
{
    enum { PARTS = 4, LEAST = 64 * 1024 };
    uint64_t bound = config->number[SETTING_DRAIN_MAX];
    uint64_t share = memory_limit() / PARTS;
    if (share >= bound)
        return bound;
    return share > LEAST ? share : LEAST;
}

static void open_lanes(const struct relay_stream *streams, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct relay_stream *from = &streams[i];
        lanes[i] = (struct lane){.in = from->outside,
                                 .out = from->fds[0],
                                 .second = -1,
                                 .fd = from->fds[0],
                                 .is_socket = from->is_socket,
                                 .moved_ns = now_ns()};
        if (!byte_queue_open(&lanes[i].queue, bound_of_all() / count))
            _exit(1);
    }
    lane_count = count;
}

_Noreturn void relay_process(const struct relay_stream *streams, unsigned count, int control,
                             const char *command, const struct settings *settings,
                             const struct run_log *log)
{
    enum { SOON_MS = 20, SELDOM_MS = 1000 };
    sigset_t heard;
    config = settings;
    prctl(PR_SET_NAME, "pipeshim-relay", 0, 0, 0);
    sigfillset(&heard);
    sigprocmask(SIG_SETMASK, &heard, NULL);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_term}, NULL);
    sigemptyset(&heard);
    sigaddset(&heard, SIGTERM);
    keep_only(streams, count, control);
    open_lanes(streams, count);
    if (read(control, &program, sizeof program) != sizeof program)
        _exit(0); /* it was not started */
    sigprocmask(SIG_UNBLOCK, &heard, NULL);
    relay_log_open(log, command, program);
    uint64_t began = now_ns();
    uint64_t patience = config->number[SETTING_DRAIN_EXIT];
    uint64_t ended = 0;
    bool goes_on = false;
    while (inputs_are_open() || left() > 0) {
        go_round(&control, ended && !goes_on ? SOON_MS : SELDOM_MS, &ended);
        uint64_t now = now_ns();
        if (ended == 0 && control < 0 && kill(program, 0) != 0)
            ended = now;
        bool over = ended && patience < MAX_DURATION && now - ended >= patience;
        if (over && !goes_on) {
            goes_on = true;
            for (unsigned i = 0; config->text[SETTING_DRAIN_SPOOL][0] && i < lane_count; i++)
                if (lanes[i].in < 0 && byte_queue_used(&lanes[i].queue) > 0)
                    spool(&lanes[i]);
            if (left() > 0)
                lanes_report_loss("drain_handoff", left(), "are still queued: the relay goes on");
            lanes_report_summary(lanes, lane_count, now, now - began);
            say_to_run(control, RELAY_GOES_ON);
        }
        if (dismissed && ended && now - ended >= patience && now - lanes[0].moved_ns >= NS_PER_S)
            break;
    }
    if (!goes_on)
        lanes_report_summary(lanes, lane_count, now_ns(), now_ns() - began);
    say_to_run(control, RELAY_DONE);
    _exit(0);
}
