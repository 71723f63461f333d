// SPDX-License-Identifier: MIT
#include "report/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/utf8.h"
#include "config/parse.h"
#include "process/filters.h"
#include "report/log_journal.h"
#include "report/log_path.h"
#include "report/log_program_fd.h"
#include "report/log_queue.h"
#include "report/log_syslog.h"
#include "report/log_writer.h"

enum destination { TO_PATH, TO_FD, TO_SYSLOG, TO_JOURNAL };

/* child: constant */
static const char *setting; /* PIPESHIM_LOG */
static enum destination chosen;
static struct program_fd chosen_fd, standard_error;
static bool fd_is_missing; /* fd:N is not open for writing: stderr it is */
static bool stderr_is_journal;
static struct utsname host; /* since log_host() */

static enum destination destination;
static struct program_fd target_fd;
static uint64_t next_try; /* CLOCK_MONOTONIC, ns: of what waits */
static long syslog_error;
static long journal_error; /* not told yet */
static bool journal_seen;  /* it was looked for */
static bool with_priority; /* each line of stderr has one */
static bool fd_told;       /* that it is missing */
static bool refusal_told;  /* that the file takes nothing */
static bool begun;         /* something came by log_record() */
static bool keeps;         /* all that waits came by log_keep() */
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
    if (strcmp(where, "journal") == 0)
        return TO_JOURNAL;
    *number = 2;
    if (strcmp(where, "stderr") == 0 ||
        (strncmp(where, "fd:", 3) == 0 && parse_number(where + 3, number)) ||
        is_fd_path(where, number))
        return TO_FD;
    return TO_PATH;
}

static _Atomic bool stderr_is_unknown; /* child: kept, it has the same descriptors */

void log_forget_stderr(unsigned first, unsigned last)
{
    if (first <= 2 && 2 <= last)
        atomic_store(&stderr_is_unknown, true);
}

void log_prepare(const char *where, const char *(*name_of_executable)(void),
                 char *const *environment)
{
    uint64_t number = 2;
    setting = where;
    chosen = parse_destination(where, &number);
    program_fd_take(&standard_error, 2);
    if (atomic_load(&stderr_is_unknown))
        standard_error.open = false;
    chosen_fd = standard_error;
    if (number != 2) {
        program_fd_take(&chosen_fd, (int)number);
        fd_is_missing = !chosen_fd.open || !program_fd_is_writable(&chosen_fd);
    }
    if (fd_is_missing)
        chosen_fd = standard_error;
    if (chosen == TO_PATH)
        log_path_set(where, name_of_executable, log_host);
    stderr_is_journal = chosen == TO_JOURNAL && standard_error.open &&
                        log_journal_is_stream(environment, &standard_error.file);
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
    journal_error = 0;
    journal_seen = false;
    with_priority = false;
    fd_told = false;
    refusal_told = false;
    begun = false;
    keeps = false;
    atomic_store(&dropped, 0);
}

bool log_ends_with(unsigned first, unsigned last)
{
    unsigned fd = (unsigned)target_fd.fd;
    return destination == TO_FD && first <= fd && fd <= last &&
           program_fd_get(&target_fd, false) >= 0;
}

bool log_uses_sockets(void)
{
    return destination == TO_SYSLOG || destination == TO_JOURNAL ||
           (destination == TO_FD && target_fd.open && S_ISSOCK(target_fd.file.st_mode));
}

bool log_uses_journal(void)
{
    return destination == TO_JOURNAL;
}

uint64_t log_dropped(void)
{
    return atomic_load(&dropped);
}

void log_count_lost(void)
{
    atomic_fetch_add(&dropped, 1);
}

static bool drop(void)
{
    log_count_lost();
    return false;
}

static bool is_on_disk(void)
{
    return destination == TO_PATH || (destination == TO_FD && program_fd_is_on_disk(&target_fd));
}

/* A record of the journal is sent whole, and waits with its size before it. What the journal will
 * not take later either is counted; of one that is away for a moment nothing is lost. */
static bool send_queue(void)
{
    struct iovec pieces[2];
    int count;
    while ((count = log_queue_peek(pieces)) > 0) {
        uint32_t size;
        struct iovec parts[2];
        log_queue_copy(&size, sizeof size);
        int part_count = log_queue_cut(pieces, count, sizeof size, size, parts);
        long result = log_journal_send(LOG_JOURNAL_SOCKET, parts, part_count);
        if (result < 0 && log_journal_is_away(result))
            return false;
        if (result < 0)
            log_count_lost();
        log_queue_taken(sizeof size + size);
    }
    return true;
}

static bool queue_for_journal(const char *record, size_t size)
{
    uint32_t header = (uint32_t)size;
    return log_queue_space() >= sizeof header + size &&
           log_queue_add((const char *)&header, sizeof header) && log_queue_add(record, size);
}

static bool record_to_journal(const char *record, size_t size)
{
    struct iovec whole = {(void *)record, size};
    long result = send_queue() ? log_journal_send(LOG_JOURNAL_SOCKET, &whole, 1) : -EAGAIN;
    return result == 0 || (log_journal_is_away(result) && queue_for_journal(record, size)) ||
           drop();
}

/* Of what is not on a disk. */
static long write_now(const char *data, size_t size, bool own_fd_table)
{
    if (destination == TO_FD)
        return program_fd_write(&target_fd, data, size, own_fd_table);
    long written = log_syslog_write(data, size);
    syslog_error = written < 0 && written != -EAGAIN ? written : 0;
    return written;
}

/* True when nothing waits any more. */
static bool write_queue_now(bool own_fd_table)
{
    struct iovec pieces[2];
    if (destination == TO_JOURNAL)
        return send_queue();
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

bool log_urges(void)
{
    return (log_queue_size() > 0 && !keeps) || log_writer_is_out();
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
    if (destination == TO_JOURNAL)
        return record_to_journal(record, size);
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

bool log_is_shared(void)
{
    return destination == TO_PATH && !log_path_has_pid(setting);
}

void log_release(bool own_fd_table)
{
    begun = true;
    keeps = false;
    flush(own_fd_table, false);
}

enum log_form log_form(void)
{
    if (destination == TO_JOURNAL && !journal_seen) {
        long error = log_journal_look(LOG_JOURNAL_SOCKET);
        journal_seen = true;
        if (error < 0) {
            destination = TO_FD;
            target_fd = standard_error;
            with_priority = stderr_is_journal;
            journal_error = stderr_is_journal ? 0 : error;
        }
    }
    return destination == TO_JOURNAL ? LOG_FIELDS : with_priority ? LOG_PRIORITIES : LOG_LINES;
}

static bool journal_trouble(struct text_buffer *message)
{
    if (journal_error == 0)
        return false;
    text_string(message, "PIPESHIM_LOG=journal: ");
    log_path_explain(journal_error, message);
    text_string(message,
                "; expected systemd's journal at " LOG_JOURNAL_SOCKET "; reports go to stderr");
    journal_error = 0;
    return true;
}

static bool fd_trouble(struct text_buffer *message)
{
    if (!fd_is_missing || fd_told || !begun)
        return false;
    text_string(message, "PIPESHIM_LOG=");
    text_printable(message, setting);
    text_string(message, ": cannot be opened: no such descriptor; expected one that is open for "
                         "writing; reports go to stderr");
    fd_told = true;
    return true;
}

/* With the path as this process has it. */
static void name_destination(struct text_buffer *message)
{
    static char path[LOG_PATH_LIMIT]; /* child: scratch */
    text_string(message, "PIPESHIM_LOG=");
    if (destination == TO_PATH && log_path_of((int)raw_syscall(SYS_getpid), path))
        text_printable(message, path);
    else
        text_printable(message, setting);
}

bool log_trouble(struct text_buffer *message)
{
    if (journal_trouble(message) || fd_trouble(message))
        return true;
    long error = destination == TO_PATH     ? log_writer_error()
                 : destination == TO_SYSLOG ? syslog_error
                                            : 0;
    if (error == 0)
        return false;
    name_destination(message);
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

bool log_refusal(struct text_buffer *message)
{
    long error = refusal_told || !is_on_disk() ? 0 : log_writer_refusal();
    if (error == 0 || !standard_error.open)
        return false;
    name_destination(message);
    text_string(message, ": cannot be written: ");
    log_path_explain(error, message);
    text_string(message, "; reports wait in memory, 256 KiB of them, until it can");
    return true;
}

void log_refusal_is_told(const char *line, size_t size, bool own_fd_table)
{
    /* What does not take it now may do so the next time; one on a disk may hang. */
    if (!program_fd_is_on_disk(&standard_error))
        refusal_told = program_fd_write(&standard_error, line, size, own_fd_table) != -EAGAIN;
    else
        refusal_told = (filters_forbid() & FORBIDS_WRITER) != 0 ||
                       log_writer_say(&standard_error, line, size, own_fd_table);
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
