// SPDX-License-Identifier: MIT
#include "report/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/raw_syscall.h"
#include "base/text_buffer.h"
#include "config/parse.h"

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

enum { PENDING_LIMIT = 64 * 1024, PATH_LIMIT = 4096, SYSLOG_NOTICE = 3 << 3 | 5 /* daemon */ };

enum destination { TO_PATH, TO_FD, TO_SYSLOG };

/* child: constant */
static enum destination destination;
static const char *(*executable_name)(void);
static const char *path_pattern;
static int program_fd;
static bool borrowing_allowed = true; /* child: kept, until its own watchdog begins */
static bool program_fd_open;
static struct stat program_file; /* its identity at the start */
static struct utsname host;      /* read at the start: sandboxes forbid uname */

/* The rest of a record that was written in part; child: kept, pending_size counts. */
static char pending[PENDING_LIMIT];
static size_t pending_size;
static uint64_t dropped;

void log_prepare(const char *where, const char *(*name_of_executable)(void))
{
    uint64_t number;
    executable_name = name_of_executable;
    destination = TO_PATH;
    path_pattern = where;
    if (strcmp(where, "syslog") == 0) {
        destination = TO_SYSLOG;
        return;
    }
    if (strcmp(where, "stderr") == 0)
        number = 2;
    else if (strncmp(where, "fd:", 3) != 0 || !parse_number(where + 3, &number))
        return;
    destination = TO_FD;
    program_fd = (int)number;
    program_fd_open = raw_syscall(SYS_fstat, program_fd, &program_file) == 0;
}

const char *log_host(void)
{
    if (!host.nodename[0])
        raw_syscall(SYS_uname, &host);
    return host.nodename;
}

void log_borrows(bool allowed)
{
    borrowing_allowed = allowed;
}

void log_begin_in_child(void)
{
    pending_size = 0;
    dropped = 0;
}

bool log_uses_sockets(void)
{
    return destination == TO_SYSLOG ||
           (destination == TO_FD && program_fd_open && S_ISSOCK(program_file.st_mode));
}

uint64_t log_dropped(void)
{
    return dropped;
}

static void expand_path(struct text_buffer *path)
{
    for (const char *p = path_pattern; *p; p++) {
        if (p[0] != '%' || !p[1]) {
            text_char(path, *p);
            continue;
        }
        switch (*++p) {
        case 'p':
            text_signed(path, raw_syscall(SYS_getpid));
            break;
        case 'e':
            text_string(path, executable_name());
            break;
        case 'h':
            text_string(path, log_host());
            break;
        default:
            text_char(path, '%');
            if (*p != '%')
                text_char(path, *p);
            break;
        }
    }
}

static long open_path(void)
{
    char path[PATH_LIMIT];
    struct text_buffer text;
    text_init(&text, path, sizeof path);
    expand_path(&text);
    return raw_syscall(SYS_openat, AT_FDCWD, path,
                       O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
}

static long borrow_fd(int fd)
{
    if (!borrowing_allowed)
        return -EPERM;
    long process = raw_syscall(SYS_pidfd_open, raw_syscall(SYS_getpid), 0);
    if (process < 0)
        return process;
    long borrowed = raw_syscall(SYS_pidfd_getfd, process, fd, 0);
    raw_syscall(SYS_close, process);
    return borrowed;
}

static bool is_program_file(long fd)
{
    struct stat now = {0}; /* the analyzer does not know what a raw system call writes */
    return program_fd_open && raw_syscall(SYS_fstat, fd, &now) == 0 &&
           now.st_dev == program_file.st_dev && now.st_ino == program_file.st_ino &&
           now.st_mode == program_file.st_mode && now.st_rdev == program_file.st_rdev;
}

/* A description of our own, so that O_NONBLOCK stays ours: for terminals and named FIFOs, which do
 * not know RWF_NOWAIT. */
static long write_reopened(const char *data, size_t size)
{
    char path[32];
    struct text_buffer text;
    text_init(&text, path, sizeof path);
    text_string(&text, "/proc/self/fd/");
    text_signed(&text, program_fd);
    long fd = raw_syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return fd;
    long written = is_program_file(fd) ? raw_syscall(SYS_write, fd, data, size) : -EBADF;
    raw_syscall(SYS_close, fd);
    return written;
}

/* Writes to the program's open file `fd` without ever waiting for its reader. */
static long write_to_file(long fd, const char *data, size_t size)
{
    struct iovec vector = {(void *)data, size};
    long written;
    if (!is_program_file(fd))
        return -EBADF;
    if (S_ISREG(program_file.st_mode))
        return raw_syscall(SYS_write, fd, data, size);
    if (S_ISSOCK(program_file.st_mode))
        return raw_syscall(SYS_sendto, fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
    written = raw_syscall(SYS_pwritev2, fd, &vector, 1, -1L, -1L, RWF_NOWAIT);
    if (written != -EOPNOTSUPP && written != -ENOSYS && written != -EINVAL && written != -ESPIPE)
        return written;
    return write_reopened(data, size);
}

static long write_to_fd(const char *data, size_t size, bool own_fd_table)
{
    long fd = own_fd_table ? borrow_fd(program_fd) : program_fd;
    if (fd < 0)
        return write_reopened(data, size);
    long written = write_to_file(fd, data, size);
    if (own_fd_table)
        raw_syscall(SYS_close, fd);
    return written;
}

static long write_to_path(const char *data, size_t size)
{
    long fd = open_path();
    if (fd < 0)
        return fd;
    long written = raw_syscall(SYS_write, fd, data, size);
    raw_syscall(SYS_close, fd);
    return written;
}

/* One datagram a line (RFC 3164 as /dev/log takes it). */
static long write_to_syslog(const char *data, size_t size)
{
    static const struct sockaddr_un address = {AF_UNIX, "/dev/log"};
    long fd = raw_syscall(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    long result = raw_syscall(SYS_connect, fd, &address, sizeof address);
    for (size_t at = 0; result >= 0 && at < size;) {
        const char *newline = memchr(data + at, '\n', size - at);
        size_t length = newline ? (size_t)(newline - data) - at : size - at;
        char line[2048];
        struct text_buffer text;
        text_init(&text, line, sizeof line);
        text_char(&text, '<');
        text_unsigned(&text, SYSLOG_NOTICE);
        text_string(&text, ">pipeshim[");
        text_signed(&text, raw_syscall(SYS_getpid));
        text_string(&text, "]: ");
        text_bytes(&text, data + at, length);
        result = raw_syscall(SYS_sendto, fd, line, text.length, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
        at += length + 1;
    }
    raw_syscall(SYS_close, fd);
    return result < 0 ? result : (long)size;
}

static long write_once(const char *data, size_t size, bool own_fd_table)
{
    switch (destination) {
    case TO_FD:
        return write_to_fd(data, size, own_fd_table);
    case TO_SYSLOG:
        return write_to_syslog(data, size);
    default:
        return write_to_path(data, size);
    }
}

/* True when nothing is left over from an earlier record. */
static bool flush_pending(bool own_fd_table)
{
    if (pending_size == 0)
        return true;
    long written = write_once(pending, pending_size, own_fd_table);
    if (written > 0) {
        pending_size -= (size_t)written;
        memmove(pending, pending + written, pending_size);
    }
    return pending_size == 0;
}

static bool write_record(const char *record, size_t size, bool own_fd_table)
{
    if (!flush_pending(own_fd_table))
        return false;
    long written = write_once(record, size, own_fd_table);
    if (written < 0)
        return false;
    if ((size_t)written < size && size - (size_t)written <= PENDING_LIMIT) {
        pending_size = size - (size_t)written;
        memcpy(pending, record + written, pending_size);
    }
    return true;
}

/* A write to a pipe without a reader raises SIGPIPE in the thread that makes it: kept off, and
 * taken back if it was not there before. The watchdog has all signals blocked anyway. */
bool log_record(const char *record, size_t size, bool own_fd_table)
{
    const uint64_t sigpipe = 1ULL << (SIGPIPE - 1);
    const struct timespec now = {0, 0};
    uint64_t before = 0;
    uint64_t waiting = 0;
    raw_syscall(SYS_rt_sigprocmask, SIG_BLOCK, &sigpipe, &before, sizeof before);
    raw_syscall(SYS_rt_sigpending, &waiting, sizeof waiting);
    bool written = write_record(record, size, own_fd_table);
    if (!(waiting & sigpipe))
        raw_syscall(SYS_rt_sigtimedwait, &sigpipe, 0, &now, sizeof sigpipe);
    raw_syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, 0, sizeof before);
    if (!written)
        dropped++;
    return written;
}
