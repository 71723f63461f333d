// SPDX-License-Identifier: MIT
#include "report/log_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/raw_syscall.h"
#include "base/text_buffer.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

static long open_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct text_buffer text;
    text_init(&text, address.sun_path, sizeof address.sun_path);
    text_string(&text, path);
    if (text.truncated)
        return -ENAMETOOLONG;
    long fd = raw_syscall(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    long result = raw_syscall(SYS_connect, fd, &address, sizeof address);
    if (result == 0)
        return fd;
    raw_syscall(SYS_close, fd);
    return result;
}

long log_journal_look(const char *socket)
{
    long fd = open_socket(socket);
    if (fd < 0)
        return fd;
    raw_syscall(SYS_close, fd);
    return 0;
}

/* The journal maps what it is sent: it takes only what nobody can change or cut any more. */
static long make_sealed(const struct iovec *pieces, int count)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    long fd = raw_syscall(SYS_memfd_create, "pipeshim-record", flags);
    if (fd == -EACCES) /* vm.memfd_noexec = 2 */
        fd = raw_syscall(SYS_memfd_create, "pipeshim-record", flags | MFD_NOEXEC_SEAL);
    if (fd < 0)
        return fd;
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += pieces[i].iov_len;
    long result = raw_syscall(SYS_writev, fd, pieces, count);
    if (result >= 0 && (size_t)result != size)
        result = -ENOSPC;
    if (result >= 0)
        result = raw_syscall(SYS_fcntl, fd, F_ADD_SEALS, seals);
    if (result >= 0)
        return fd;
    raw_syscall(SYS_close, fd);
    return result;
}

static long send_file(long socket, const struct iovec *pieces, int count)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {.msg_control = &control, .msg_controllen = sizeof control};
    long file = make_sealed(pieces, count);
    if (file < 0)
        return file;
    memset(&control, 0, sizeof control);
    control.header = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    int number = (int)file;
    memcpy(CMSG_DATA(&control.header), &number, sizeof number);
    long result = raw_syscall(SYS_sendmsg, socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    raw_syscall(SYS_close, file);
    return result;
}

long log_journal_send(const char *socket, const struct iovec *pieces, int count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = (size_t)count};
    long fd = open_socket(socket);
    if (fd < 0)
        return fd;
    long result = raw_syscall(SYS_sendmsg, fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (result == -EMSGSIZE || result == -ENOBUFS)
        result = send_file(fd, pieces, count);
    raw_syscall(SYS_close, fd);
    return result < 0 ? result : 0;
}

bool log_journal_is_away(long error)
{
    return error == -EAGAIN || error == -ENOBUFS || error == -ENOMEM || error == -ECONNREFUSED ||
           error == -ENOENT;
}

static bool take_number(const char **at, uint64_t *number)
{
    const char *begin = *at;
    for (*number = 0; **at >= '0' && **at <= '9'; ++*at)
        *number = *number * 10 + (uint64_t)(**at - '0');
    return *at != begin;
}

bool log_journal_is_stream(char *const *variables, const struct stat *file)
{
    static const char name[] = "JOURNAL_STREAM=";
    for (; variables && *variables; variables++) {
        const char *at = *variables + sizeof name - 1;
        uint64_t device, inode;
        if (strncmp(*variables, name, sizeof name - 1) == 0)
            return take_number(&at, &device) && *at++ == ':' && take_number(&at, &inode) && !*at &&
                   device == file->st_dev && inode == file->st_ino;
    }
    return false;
}
