// SPDX-License-Identifier: MIT
#include "report/log_syslog.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/raw_syscall.h"
#include "base/text_buffer.h"

enum { NOTICE_OF_DAEMON = 3 << 3 | 5 };

static long send_line(long fd, const char *data, size_t size)
{
    static char line[2048]; /* one caller at a time, and small stacks; child: scratch */
    struct text_buffer text;
    text_init(&text, line, sizeof line);
    text_char(&text, '<');
    text_unsigned(&text, NOTICE_OF_DAEMON);
    text_string(&text, ">pipeshim[");
    text_signed(&text, raw_syscall(SYS_getpid));
    text_string(&text, "]: ");
    text_bytes(&text, data, size);
    return raw_syscall(SYS_sendto, fd, line, text.length, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
}

long log_syslog_write(const char *data, size_t size)
{
    static const struct sockaddr_un address = {AF_UNIX, "/dev/log"};
    long fd = raw_syscall(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    long result = raw_syscall(SYS_connect, fd, &address, sizeof address);
    for (size_t at = 0; result >= 0 && at < size;) {
        const char *newline = memchr(data + at, '\n', size - at);
        size_t length = newline ? (size_t)(newline - data) - at : size - at;
        result = send_line(fd, data + at, length);
        at += length + 1;
    }
    raw_syscall(SYS_close, fd);
    return result < 0 ? result : (long)size;
}
