// SPDX-License-Identifier: MIT
#include "kernel/socket_peers.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/text_buffer.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"
#include "kernel/sock_diag.h"

struct unix_question {
    struct nlmsghdr header;
    struct unix_diag_req body;
};

static void take_name(struct unix_socket *socket, const char *name, size_t length)
{
    struct text_buffer text;
    text_init(&text, socket->name, sizeof socket->name);
    if (length == 0)
        return;
    text_string(&text, "unix:");
    if (name[0] == '\0') { /* abstract: no NUL at its end, an '@' by custom at its start */
        text_char(&text, '@');
        text_bytes(&text, name + 1, length - 1);
    } else {
        text_bytes(&text, name, strnlen(name, length));
    }
}

static void take_attribute(struct unix_socket *socket, unsigned type, const void *data,
                           size_t length)
{
    if (type == UNIX_DIAG_NAME) {
        take_name(socket, data, length);
    } else if (type == UNIX_DIAG_PEER && length >= sizeof(uint32_t)) {
        uint32_t peer;
        memcpy(&peer, data, sizeof peer);
        socket->peer = peer;
    } else if (type == UNIX_DIAG_RQLEN && length >= sizeof(struct unix_diag_rqlen)) {
        struct unix_diag_rqlen queue;
        memcpy(&queue, data, sizeof queue);
        socket->unread = queue.udiag_rqueue;
    } else if (type == UNIX_DIAG_MEMINFO && length >= sizeof(uint32_t) * SK_MEMINFO_VARS) {
        uint32_t memory[SK_MEMINFO_VARS];
        memcpy(memory, data, sizeof memory);
        socket->queued = memory[SK_MEMINFO_WMEM_ALLOC];
        socket->queue_limit = memory[SK_MEMINFO_SNDBUF];
    }
}

long unix_socket_answer(struct unix_socket *socket, const char *answer, size_t length)
{
    struct nlmsghdr header;
    if (length < sizeof header)
        return -EPROTO;
    memcpy(&header, answer, sizeof header);
    if (header.nlmsg_type == NLMSG_ERROR) {
        int error = 0;
        if (length >= NLMSG_HDRLEN + sizeof error)
            memcpy(&error, answer + NLMSG_HDRLEN, sizeof error);
        return error < 0 ? error : -EPROTO;
    }
    struct unix_diag_msg body = {0};
    if (length < NLMSG_HDRLEN + sizeof body || header.nlmsg_len > length)
        return -EPROTO;
    memcpy(&body, answer + NLMSG_HDRLEN, sizeof body);
    socket->stream = body.udiag_type == SOCK_STREAM;
    socket->listening = body.udiag_state == SOCKET_LISTENING;
    size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof body);
    while (at + sizeof(struct rtattr) <= header.nlmsg_len) {
        struct rtattr attribute;
        memcpy(&attribute, answer + at, sizeof attribute);
        if (attribute.rta_len < sizeof attribute || attribute.rta_len > header.nlmsg_len - at)
            break;
        take_attribute(socket, attribute.rta_type, answer + at + RTA_LENGTH(0),
                       attribute.rta_len - RTA_LENGTH(0));
        at += RTA_ALIGN(attribute.rta_len);
    }
    return 0;
}

long unix_socket_read(uint64_t inode, struct unix_socket *socket)
{
    memset(socket, 0, sizeof *socket);
    socket->unread = socket->queued = socket->queue_limit = -1;
    struct unix_question question = {
        .header = {.nlmsg_len = sizeof question,
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST},
        .body = {.sdiag_family = AF_UNIX,
                 .udiag_states = UINT32_MAX,
                 .udiag_ino = (uint32_t)inode,
                 .udiag_show =
                     UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_MEMINFO,
                 .udiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}},
    };
    char answer[1024] = {0};
    long result = sock_diag_ask(&question, sizeof question, answer, sizeof answer);
    return result < 0 ? result : unix_socket_answer(socket, answer, (size_t)result);
}

int unix_socket_full(const struct unix_socket *socket)
{
    if (socket->queued < 0 || socket->queue_limit <= 0)
        return -1;
    if (socket->queued >= socket->queue_limit)
        return 1;
    return socket->queued * 4 <= socket->queue_limit ? 0 : -1;
}

static bool is_mapped(const uint8_t address[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address, mapped, sizeof mapped) == 0;
}

/* RFC 5952 without its longest-run rule but for an address that starts or ends in zeroes: enough to
 * recognise an address by. */
static void address_words(struct text_buffer *text, const uint8_t address[16], uint16_t port)
{
    if (is_mapped(address)) {
        for (unsigned i = 12; i < 16; i++) {
            if (i > 12)
                text_char(text, '.');
            text_unsigned(text, address[i]);
        }
    } else {
        size_t zeroes = 0;
        while (zeroes < 8 && address[zeroes * 2] == 0 && address[zeroes * 2 + 1] == 0)
            zeroes++;
        text_char(text, '[');
        if (zeroes > 1)
            text_string(text, zeroes == 8 ? "::" : ":");
        for (size_t i = zeroes > 1 ? zeroes : 0; i < 8; i++) {
            char digits[20];
            struct text_buffer group;
            text_init(&group, digits, sizeof digits);
            text_hex(&group, (uint64_t)address[i * 2] << 8 | address[i * 2 + 1]);
            if (i > 0)
                text_char(text, ':');
            text_string(text, digits + strlen("0x"));
        }
        text_char(text, ']');
    }
    text_char(text, ':');
    text_unsigned(text, port);
}

typedef bool (*inet_match)(const struct inet_line *line, const void *wanted);

static bool find_line(int pid, inet_match match, const void *wanted, struct inet_line *line,
                      const char **family)
{
    static const char *const files[] = {"net/tcp", "net/tcp6"};
    static const char *const families[] = {"inet", "inet6"};
    for (unsigned file = 0; file < 2; file++) {
        char path[PROC_PATH_LIMIT];
        struct line_reader lines;
        proc_path(path, pid, 0, files[file]);
        if (lines_open(&lines, path) < 0)
            continue;
        bool found = false;
        for (const char *text; !found && (text = lines_next(&lines)) != NULL;)
            found = parse_inet(text, line) && match(line, wanted);
        lines_close(&lines);
        *family = families[file];
        if (found)
            return true;
    }
    return false;
}

static bool has_inode(const struct inet_line *line, const void *wanted)
{
    return line->inode == *(const uint64_t *)wanted;
}

static bool is_other_end(const struct inet_line *line, const void *wanted)
{
    const struct inet_line *own = wanted;
    return line->local_port == own->remote_port && line->remote_port == own->local_port &&
           memcmp(line->local, own->remote, sizeof line->local) == 0 &&
           memcmp(line->remote, own->local, sizeof line->local) == 0;
}

static bool is_any_address(const uint8_t address[16])
{
    static const uint8_t zeroes[16];
    return memcmp(address, zeroes, sizeof zeroes) == 0 ||
           (is_mapped(address) && memcmp(address + 12, zeroes, 4) == 0);
}

/* The socket on which the other end is accepted, or would be: a connection in its queue belongs to
 * no process yet, and one whose SYN is dropped because the queue is full does not exist. */
static bool is_listener(const struct inet_line *line, const void *wanted)
{
    const struct inet_line *own = wanted;
    return line->state == SOCKET_LISTENING && line->local_port == own->remote_port &&
           (memcmp(line->local, own->remote, sizeof line->local) == 0 ||
            is_any_address(line->local));
}

static uint64_t find_peer(int pid, const struct inet_line *own)
{
    struct inet_line other;
    const char *family;
    if (find_line(pid, is_other_end, own, &other, &family) && other.inode != 0)
        return other.inode;
    /* Only an address of this machine: a listener of the same port says nothing of a remote one. */
    bool here = memcmp(own->local, own->remote, sizeof own->local) == 0 ||
                (is_mapped(own->remote) && own->remote[12] == 127);
    return here && find_line(pid, is_listener, own, &other, &family) ? other.inode : 0;
}

long inet_socket_read(int pid, uint64_t inode, struct inet_socket *socket)
{
    struct inet_line own;
    struct text_buffer text;
    memset(socket, 0, sizeof *socket);
    if (!find_line(pid, has_inode, &inode, &own, &socket->family))
        return -ENOENT;
    socket->listening = own.state == SOCKET_LISTENING;
    socket->connected = own.remote_port != 0;
    text_init(&text, socket->local, sizeof socket->local);
    address_words(&text, own.local, own.local_port);
    text_init(&text, socket->remote, sizeof socket->remote);
    if (socket->connected)
        address_words(&text, own.remote, own.remote_port);
    socket->connecting = own.state == SOCKET_CONNECTING;
    if (socket->connected)
        socket->peer = find_peer(pid, &own);
    return 0;
}
