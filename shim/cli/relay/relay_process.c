// SPDX-License-Identifier: MIT
#include "cli/relay/relay_process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/relay/byte_queue.h"
#include "cli/relay/relay_log.h"
#include "config/parse.h"
#include "report/log_path.h"

enum { PIECE = 64 * 1024, BEHIND_NS = 100 * NS_PER_MS };

/* What happens at the bound, as PIPESHIM_DRAIN_OVERFLOW has it. */
enum overflow { OVERFLOW_BLOCK, OVERFLOW_DROP_NEW, OVERFLOW_DROP_OLD };

/* One stream of the command's: from `in`, through the queue, to `out`. */
struct lane {
    int in, out; /* -1: closed */
    int second;  /* a description of our own of a named FIFO, which does not wait; -1 */
    int fd;      /* the command's number */
    bool is_socket;
    struct byte_queue queue;
    bool in_line; /* the last byte sent did not end one */
    uint64_t queued, dropped, lost, handed_over, spooled;
    uint64_t moved_ns; /* when something was sent last, or the queue was empty */
    uint64_t began_ns; /* of the episode that was told */
    int told;          /* seq of its drain_start; 0: none */
    uint64_t told_dropped;
};

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

static json_t *of_lane(const struct lane *lane)
{
    json_t *event = json_object();
    json_object_set_new(event, "fd", json_integer(lane->fd));
    json_object_set_new(event, "object", json_string("relay"));
    return event;
}

static void tell_episode(struct lane *lane, uint64_t now, bool end)
{
    char words[256];
    json_t *event = of_lane(lane);
    double ms = (double)(now - lane->began_ns) / NS_PER_MS;
    if (end)
        json_object_set_new(event, "ref", json_integer(lane->told));
    json_object_set_new(event, "queued_bytes", json_integer((json_int_t)lane->queued));
    json_object_set_new(event, "peak_bytes", json_integer((json_int_t)lane->queue.peak));
    json_object_set_new(event, "ms", json_real(ms));
    snprintf(
        words, sizeof words,
        end ? "fd %d: the relay's queue is empty again after %.1f ms, %" PRIu64 " bytes at once"
            : "fd %d is not read fast enough: for %.1f ms, %" PRIu64 " bytes queued by the relay",
        lane->fd, ms, lane->queue.peak);
    int seq = relay_log_event(end ? "drain_end" : "drain_start", event, words);
    lane->told = end ? 0 : seq;
}

static void tell_loss(const char *name, uint64_t bytes, const char *words)
{
    char line[256];
    json_t *event = json_object();
    json_object_set_new(event, "bytes", json_integer((json_int_t)bytes));
    json_object_set_new(event, "writes", json_integer(0)); /* a relay sees bytes, not writes */
    if (strcmp(name, "drain_drop") == 0)
        json_object_set_new(event, "reason", json_string("overflow"));
    snprintf(line, sizeof line, "%" PRIu64 " bytes %s", bytes, words);
    relay_log_event(name, event, line);
}

/* What nobody reads is worth a word; what is read is not. */
static void look_at(struct lane *lane, uint64_t now)
{
    bool empty = byte_queue_used(&lane->queue) == 0;
    if (empty || lane->out < 0)
        lane->moved_ns = now;
    if (lane->told && empty)
        tell_episode(lane, now, true);
    if (!lane->told && now - lane->moved_ns >= BEHIND_NS) {
        lane->began_ns = lane->moved_ns;
        tell_episode(lane, now, false);
    }
    if (lane->dropped > lane->told_dropped) {
        tell_loss("drain_drop", lane->dropped - lane->told_dropped, "dropped: the queue is full");
        lane->told_dropped = lane->dropped;
    }
}

/* Drops what is left of a line that was begun to be dropped; returns how much of the piece that
 * was.
 */
static size_t skip_line(struct lane *lane, const char *piece, size_t size)
{
    if (!lane->queue.skips)
        return 0;
    const char *end = memchr(piece, '\n', size);
    lane->queue.skips = end == NULL;
    return end ? (size_t)(end - piece) + 1 : size;
}

/* drop-new: whatever comes is read, and kept as far as whole lines of it fit. */
static void take_new(struct lane *lane, const char *piece, size_t size)
{
    size_t skipped = skip_line(lane, piece, size);
    lane->dropped += skipped;
    piece += skipped;
    size -= skipped;
    uint64_t room = lane->queue.size - byte_queue_used(&lane->queue);
    if (size > room) {
        const char *end = memrchr(piece, '\n', room);
        size_t kept = end ? (size_t)(end - piece) + 1 : 0;
        lane->queue.skips = piece[size - 1] != '\n';
        lane->dropped += size - kept;
        size = kept;
    }
    while (size > 0) {
        size_t space;
        char *to = byte_queue_space(&lane->queue, &space);
        size_t part = space < size ? space : size;
        memcpy(to, piece, part);
        byte_queue_put(&lane->queue, part);
        lane->queued += part;
        piece += part;
        size -= part;
    }
}

static void lose_reader(struct lane *lane)
{
    lane->lost += byte_queue_used(&lane->queue);
    byte_queue_took(&lane->queue, byte_queue_used(&lane->queue));
    close(lane->out);
    lane->out = -1;
    if (lane->in >= 0) /* the command gets its EPIPE */
        close(lane->in);
    lane->in = -1;
}

static void receive(struct lane *lane)
{
    static char piece[PIECE];
    enum overflow overflow = (enum overflow)config->number[SETTING_DRAIN_OVERFLOW];
    size_t space;
    char *to = byte_queue_space(&lane->queue, &space);
    bool drops = overflow != OVERFLOW_BLOCK;
    ssize_t got = drops ? read(lane->in, piece, sizeof piece)
                        : read(lane->in, to, space < PIECE ? space : PIECE);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        close(lane->in);
        lane->in = -1;
    } else if (!drops) {
        byte_queue_put(&lane->queue, (size_t)got);
        lane->queued += (uint64_t)got;
    } else {
        if (overflow == OVERFLOW_DROP_OLD)
            lane->dropped += byte_queue_drop_oldest(&lane->queue, (uint64_t)got, lane->in_line);
        take_new(lane, piece, (size_t)got);
    }
}

/* Never waits; O_NONBLOCK on the description itself would change it for all who share it. */
static ssize_t write_now(struct lane *lane, const char *from, size_t size)
{
    struct iovec part = {(char *)from, size};
    if (lane->is_socket)
        return send(lane->out, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (lane->second >= 0)
        return write(lane->second, from, size);
    ssize_t done = pwritev2(lane->out, &part, 1, -1, RWF_NOWAIT);
    if (done >= 0 || errno != EOPNOTSUPP)
        return done;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", lane->out);
    lane->second = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (lane->second >= 0)
        return write(lane->second, from, size);
    /* There is room for a page: poll() said so. */
    return write(lane->out, from, size < PIPE_BUF ? size : PIPE_BUF);
}

static void send_on(struct lane *lane, uint64_t now)
{
    size_t size;
    const char *from = byte_queue_next(&lane->queue, &size);
    ssize_t done = write_now(lane, from, size < PIECE ? size : PIECE);
    if (done < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (done <= 0) {
        lose_reader(lane);
        return;
    }
    lane->in_line = from[done - 1] != '\n';
    byte_queue_took(&lane->queue, (size_t)done);
    lane->moved_ns = now;
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
static void turn(int *control, int patience_ms, uint64_t *ended)
{
    struct pollfd wants[2 * RELAY_LIMIT + 1];
    bool drops = config->number[SETTING_DRAIN_OVERFLOW] != OVERFLOW_BLOCK;
    for (size_t i = 0; i < lane_count; i++) {
        struct lane *lane = &lanes[i];
        bool room = drops || byte_queue_used(&lane->queue) < lane->queue.size;
        bool queued = byte_queue_used(&lane->queue) > 0;
        wants[2 * i] = (struct pollfd){room ? lane->in : -1, POLLIN, 0};
        /* Without anything to send: only that the reader has gone, which the command is to hear. */
        wants[2 * i + 1] = (struct pollfd){lane->out, queued ? POLLOUT : 0, 0};
        if (queued && !lane->told && patience_ms > (int)(BEHIND_NS / NS_PER_MS))
            patience_ms = BEHIND_NS / NS_PER_MS;
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
            lose_reader(lane);
        if (wants[2 * i].revents && lane->in >= 0)
            receive(lane);
        if (lane->out >= 0 && byte_queue_used(&lane->queue) > 0)
            send_on(lane, now);
        look_at(lane, now);
        if (lane->in < 0 && lane->out >= 0 && byte_queue_used(&lane->queue) == 0) {
            close(lane->out); /* who waits for the end of one stream does not wait for the other */
            if (lane->second >= 0)
                close(lane->second);
            lane->out = lane->second = -1;
        }
    }
}

static const char *program_name(void)
{
    static char name[32];
    snprintf(name, sizeof name, "%d", (int)program);
    return name;
}

static const char *no_host(void)
{
    return "";
}

/* PIPESHIM_DRAIN_SPOOL: what nobody has read goes to the file, in order of the streams. */
static void spool(struct lane *lane)
{
    char path[LOG_PATH_LIMIT];
    char folder[LOG_PATH_LIMIT];
    char words[LOG_PATH_LIMIT + 128];
    const char *pattern = config->text[SETTING_DRAIN_SPOOL];
    if (!getcwd(folder, sizeof folder) ||
        !log_path_expand(pattern, folder, program_name, no_host, program, path))
        return;
    if (lane != lanes && strlen(path) + 16 < sizeof path)
        sprintf(path + strlen(path), ".fd%d", lane->fd);
    int file = (int)log_path_open(path);
    if (file < 0)
        return;
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
    json_t *event = of_lane(lane);
    json_object_set_new(event, "path", json_string(path));
    json_object_set_new(event, "offset", json_integer((json_int_t)offset));
    json_object_set_new(event, "bytes", json_integer((json_int_t)lane->spooled));
    json_object_set_new(event, "writes", json_integer(0));
    snprintf(words, sizeof words, "%" PRIu64 " bytes of fd %d, which nobody has read, are in %s",
             lane->spooled, lane->fd, path);
    relay_log_event("drain_spool", event, words);
}

static void tell_summary(uint64_t began_ns)
{
    uint64_t queued = 0, peak = 0, dropped = 0, lost = 0, handed_over = left(), spooled = 0;
    char words[256];
    for (size_t i = 0; i < lane_count; i++) {
        queued += lanes[i].queued;
        peak = lanes[i].queue.peak > peak ? lanes[i].queue.peak : peak;
        dropped += lanes[i].dropped;
        lost += lanes[i].lost;
        spooled += lanes[i].spooled;
    }
    json_t *event = json_object();
    json_object_set_new(event, "run_ms", json_real((double)(now_ns() - began_ns) / NS_PER_MS));
    json_object_set_new(event, "reports", json_integer(0));
    json_object_set_new(event, "drain",
                        json_pack("{s:i, s:I, s:I, s:I, s:i, s:I, s:I, s:I, s:[]}", "episodes", 1,
                                  "queued_bytes", (json_int_t)queued, "peak_bytes",
                                  (json_int_t)peak, "dropped_bytes", (json_int_t)dropped,
                                  "dropped_writes", 0, "lost_bytes", (json_int_t)lost,
                                  "handed_over_bytes", (json_int_t)handed_over, "spooled_bytes",
                                  (json_int_t)spooled, "rescued"));
    json_object_set_new(event, "sites", json_array());
    json_object_set_new(event, "loops", json_array());
    snprintf(words, sizeof words,
             "relayed: %" PRIu64 " bytes, at most %" PRIu64 " at once, %" PRIu64
             " dropped, %" PRIu64 " lost to a dead reader, %" PRIu64 " handed over",
             queued, peak, dropped, lost, handed_over);
    relay_log_event("summary", event, words);
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
        if (!byte_queue_open(&lanes[i].queue, config->number[SETTING_DRAIN_MAX] / count))
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
        turn(&control, ended && !goes_on ? SOON_MS : SELDOM_MS, &ended);
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
                tell_loss("drain_handoff", left(), "are still queued: the relay goes on");
            if (left() > 0 || inputs_are_open())
                tell_summary(began);
            say_to_run(control, RELAY_GOES_ON);
        }
        if (dismissed && ended && now - ended >= patience && now - lanes[0].moved_ns >= NS_PER_S)
            break;
    }
    if (!goes_on)
        tell_summary(began);
    say_to_run(control, RELAY_DONE);
    _exit(0);
}
