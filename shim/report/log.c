// SPDX-License-Identifier: MIT
#include "report/log.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/utf8.h"
#include "config/parse.h"
#include "process/filters.h"
#include "report/log_path.h"
#include "report/log_program_fd.h"
#include "report/log_queue.h"
#include "report/log_syslog.h"
#include "report/log_writer.h"

enum destination { TO_PATH, TO_FD, TO_SYSLOG };

/* child: constant */
static const char *setting; /* PIPESHIM_LOG */
static enum destination chosen;
static struct program_fd chosen_fd, standard_error;
static struct utsname host; /* since log_host() */

static enum destination destination;
static struct program_fd target_fd;
static uint64_t next_try; /* CLOCK_MONOTONIC, ns: of what waits */
static long syslog_error;
static bool begun; /* something came by log_record() */
static bool keeps; /* all that waits came by log_keep() */
static _Atomic uint64_t dropped;

/* The fd that a path stands for: in the writer's /proc/self it would be another one. */
static bool is_fd_path(const char *where, uint64_t *number)
{
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    if (strcmp(where, "/dev/stdout") == 0 || strcmp(where, "/dev/stderr") == 0) {
        *number = where[8] == 'o' ? 1 : 2;
        return true;
    }
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (strncmp(where, folders[i], strlen(folders[i])) == 0)
            return parse_number(where + strlen(folders[i]), number);
    return false;
}

static enum destination parse_destination(const char *where, uint64_t *number)
{
    if (strcmp(where, "syslog") == 0)
        return TO_SYSLOG;
    *number = 2;
    if (strcmp(where, "stderr") == 0 ||
        (strncmp(where, "fd:", 3) == 0 && parse_number(where + 3, number)) ||
        is_fd_path(where, number))
        return TO_FD;
    return TO_PATH;
}

void log_prepare(const char *where, const char *(*name_of_executable)(void))
{
    uint64_t number = 2;
    setting = where;
    chosen = parse_destination(where, &number);
    program_fd_take(&standard_error, 2);
    chosen_fd = standard_error;
    if (number != 2)
        program_fd_take(&chosen_fd, (int)number);
    if (chosen == TO_PATH)
        log_path_set(where, name_of_executable, log_host);
    destination = chosen;
    target_fd = chosen_fd;
}

const char *log_host(void)
{
    if (!host.nodename[0])
        raw_syscall(SYS_uname, &host);
    return host.nodename;
}

void log_borrows(bool allowed)
{
    program_fd_may_borrow(allowed);
}

void log_begin_in_child(void)
{
    log_queue_clear();
    log_writer_begin_in_child();
    destination = chosen;
    target_fd = chosen_fd;
    next_try = 0;
    syslog_error = 0;
    begun = false;
    keeps = false;
    atomic_store(&dropped, 0);
}

bool log_uses_sockets(void)
{
    return destination == TO_SYSLOG ||
           (destination == TO_FD && target_fd.open && S_ISSOCK(target_fd.file.st_mode));
}

uint64_t log_dropped(void)
{
    return atomic_load(&dropped);
}

void log_count_lost(void)
{
    atomic_fetch_add(&dropped, 1);
}

static bool is_on_disk(void)
{
    return destination == TO_PATH || (destination == TO_FD && program_fd_is_on_disk(&target_fd));
}

/* What the kernel may send to a thread for a write of ours: no reader, a terminal that stops
 * background jobs (which a thread that blocks the signal may write to), a file's largest size. */
static const uint64_t signals_of_a_write =
    1ULL << (SIGPIPE - 1) | 1ULL << (SIGTTOU - 1) | 1ULL << (SIGXFSZ - 1);

/* A write to a pipe without a reader leaves SIGPIPE pending: taken back. Where the program has one
 * pending already the two could not be told apart: then nothing is written. */
static long write_unsignalled(const char *data, size_t size, bool own_fd_table)
{
    const uint64_t sigpipe = 1ULL << (SIGPIPE - 1);
    const struct timespec now = {0, 0};
    uint64_t before = 0;
    uint64_t waiting = 0;
    raw_syscall(SYS_rt_sigprocmask, SIG_BLOCK, &signals_of_a_write, &before, sizeof before);
    raw_syscall(SYS_rt_sigpending, &waiting, sizeof waiting);
    long written = -EAGAIN;
    if (!(waiting & sigpipe))
        written = program_fd_write(&target_fd, data, size, own_fd_table);
    if (written == -EPIPE)
        raw_syscall(SYS_rt_sigtimedwait, &sigpipe, 0, &now, sizeof sigpipe);
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
    return written;
}

/* Of what is not on a disk. */
static long write_now(const char *data, size_t size, bool own_fd_table)
{
    if (destination == TO_FD)
        return write_unsignalled(data, size, own_fd_table);
    long written = log_syslog_write(data, size);
    syslog_error = written < 0 && written != -EAGAIN ? written : 0;
    return written;
}

/* True when nothing waits any more. */
static bool write_queue_now(bool own_fd_table)
{
    struct iovec pieces[2];
    while (log_queue_peek(pieces) > 0) {
        long written = write_now(pieces[0].iov_base, pieces[0].iov_len, own_fd_table);
        if (written <= 0)
            return false;
        log_queue_taken((size_t)written);
    }
    return true;
}

/* A thread of the program writes to a disk itself only as its last words, and where a filter that
 * it has installed might kill for the making of a process. */
static void write_queue_to_disk(bool own_fd_table, bool last)
{
    const struct program_fd *fd = destination == TO_FD ? &target_fd : NULL;
    bool filtered = filters_forbid() & FORBIDS_WRITER;
    if (!filtered && log_writer_start(fd, own_fd_table))
        return;
    if (own_fd_table || (last && filtered))
        log_writer_write_here(fd, own_fd_table);
}

static void flush(bool own_fd_table, bool last)
{
    if (log_queue_size() == 0 || keeps)
        return;
    if (is_on_disk())
        write_queue_to_disk(own_fd_table, last);
    else
        write_queue_now(own_fd_table);
}

void log_flush(bool own_fd_table)
{
    enum { AGAIN_NS = 100 * NS_PER_MS }; /* a full disk, a reader that does not read */
    log_writer_reap();
    uint64_t now = log_queue_size() == 0 ? 0 : clock_monotonic_ns();
    if (now < next_try && now != 0)
        return;
    next_try = now == 0 ? 0 : now + AGAIN_NS;
    flush(own_fd_table, false);
}

static bool drop(void)
{
    log_count_lost();
    return false;
}

/* A pipe may take a part: the rest waits, and so does a record for which there is no space now. */
static bool record_now(const char *record, size_t size, bool own_fd_table)
{
    long written = 0;
    if (write_queue_now(own_fd_table)) {
        written = write_now(record, size, own_fd_table);
        if (written == -EAGAIN && destination == TO_FD)
            written = 0;
        if (written < 0 && syslog_error == 0)
            return drop(); /* no reader, or another file: it will not take it later either */
        if (written < 0)
            written = 0; /* for stderr, see log_trouble() */
    }
    return (size_t)written == size || log_queue_add(record + written, size - (size_t)written) ||
           drop();
}

bool log_record(const char *record, size_t size, bool own_fd_table)
{
    begun = true;
    keeps = false;
    if (!is_on_disk())
        return record_now(record, size, own_fd_table);
    bool added = log_queue_add(record, size) || drop();
    flush(own_fd_table, false);
    return added;
}

bool log_keep(const char *record, size_t size, bool own_fd_table)
{
    if (destination != TO_PATH || begun)
        return log_record(record, size, own_fd_table);
    keeps = true;
    return log_queue_add(record, size) || drop();
}

bool log_keeps(void)
{
    return keeps;
}

void log_release(bool own_fd_table)
{
    begun = true;
    keeps = false;
    flush(own_fd_table, false);
}

bool log_trouble(struct text_buffer *message)
{
    static char path[LOG_PATH_LIMIT]; /* child: scratch */
    long error = destination == TO_PATH     ? log_writer_error()
                 : destination == TO_SYSLOG ? syslog_error
                                            : 0;
    if (error == 0)
        return false;
    text_string(message, "PIPESHIM_LOG=");
    if (destination == TO_PATH && log_path_of((int)raw_syscall(SYS_getpid), path))
        text_printable(message, path);
    else
        text_printable(message, setting);
    text_string(message, ": cannot be opened: ");
    log_path_explain(error, message);
    text_string(message, destination == TO_PATH
                             ? "; expected a file of this user that can be made or appended to"
                             : "; expected a log daemon at /dev/log");
    text_string(message, "; reports go to stderr");
    destination = TO_FD;
    target_fd = standard_error;
    syslog_error = 0;
    return true;
}

void log_finish(uint64_t deadline)
{
    enum { ROUNDS = 2 }; /* what is added while a writer leaves is left for the next one */
    for (int round = 0; round < ROUNDS; round++) {
        flush(false, true);
        if (!log_writer_wait(deadline) || log_queue_size() == 0)
            return;
    }
}
