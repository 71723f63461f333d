// SPDX-License-Identifier: MIT
#include "kernel/unix_table.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>

#include "base/zeroed_memory.h"
#include "kernel/sock_diag.h"
#include "kernel/socket_peers.h"

struct row {
    uint32_t inode, peer;
    int32_t unread;
    bool listening;
};

struct memory {
    struct row rows[UNIX_TABLE_LIMIT]; /* by inode */
    char answer[SOCK_DIAG_PART];
};

static struct {
    struct memory *memory; /* NULL: never needed */
    uint32_t count;
    unsigned asked; /* since the look began */
    bool taken;
} table; /* child: kept, until its first look begins */

void unix_table_forget(void)
{
    table.count = table.asked = 0;
    table.taken = false;
}

static void take_row(void *context, const struct nlmsghdr *header, const char *body, size_t length)
{
    (void)context;
    struct unix_diag_msg message;
    if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY || length < sizeof message ||
        table.count == UNIX_TABLE_LIMIT)
        return;
    memcpy(&message, body, sizeof message);
    struct row row = {message.udiag_ino, 0, -1, message.udiag_state == SOCKET_LISTENING};
    for (size_t at = NLMSG_ALIGN(sizeof message); at + sizeof(struct rtattr) <= length;) {
        struct rtattr attribute;
        memcpy(&attribute, body + at, sizeof attribute);
        if (attribute.rta_len < sizeof attribute || attribute.rta_len > length - at)
            break;
        const char *data = body + at + RTA_LENGTH(0);
        size_t size = attribute.rta_len - RTA_LENGTH(0);
        struct unix_diag_rqlen queue;
        if (attribute.rta_type == UNIX_DIAG_PEER && size >= sizeof row.peer) {
            memcpy(&row.peer, data, sizeof row.peer);
        } else if (attribute.rta_type == UNIX_DIAG_RQLEN && size >= sizeof queue) {
            memcpy(&queue, data, sizeof queue);
            row.unread = queue.udiag_rqueue > INT32_MAX ? INT32_MAX : (int32_t)queue.udiag_rqueue;
        }
        at += RTA_ALIGN(attribute.rta_len);
    }
    table.memory->rows[table.count++] = row;
}

static void sift_down(struct row *rows, uint32_t at, uint32_t count)
{
    for (uint32_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && rows[child].inode < rows[child + 1].inode)
            child++;
        if (rows[at].inode >= rows[child].inode)
            return;
        struct row larger = rows[child];
        rows[child] = rows[at];
        rows[at] = larger;
    }
}

/* In place and without recursion; qsort(3) may allocate. */
static void sort(struct row *rows, uint32_t count)
{
    for (uint32_t at = count / 2; at > 0; at--)
        sift_down(rows, at - 1, count);
    for (uint32_t left = count; left > 1; left--) {
        struct row last = rows[left - 1];
        rows[left - 1] = rows[0];
        rows[0] = last;
        sift_down(rows, 0, left - 1);
    }
}

static void take_all(void)
{
    struct {
        struct nlmsghdr header;
        struct unix_diag_req body;
    } question = {
        .header = {.nlmsg_len = sizeof question,
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .body = {.sdiag_family = AF_UNIX,
                 .udiag_states = UINT32_MAX,
                 .udiag_show = UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN},
    };
    table.taken = true; /* tried once in a look, whatever comes of it */
    if (!table.memory && !(table.memory = zeroed_memory(sizeof *table.memory)))
        return;
    sock_diag_dump(&question, sizeof question, table.memory->answer, take_row, NULL);
    sort(table.memory->rows, table.count);
}

bool unix_table_find(uint64_t inode, struct unix_end *end)
{
    uint32_t low = 0;
    for (uint32_t high = table.count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (table.memory->rows[middle].inode < inode)
            low = middle + 1;
        else
            high = middle;
    }
    if (low >= table.count || table.memory->rows[low].inode != inode)
        return false;
    const struct row *row = &table.memory->rows[low];
    *end = (struct unix_end){row->peer, row->unread, row->listening};
    return true;
}

long unix_end_read(uint64_t inode, struct unix_end *end)
{
    struct unix_socket socket;
    if (!table.taken && ++table.asked > UNIX_ASKED_ONE_BY_ONE)
        take_all();
    if (unix_table_find(inode, end))
        return 0;
    long result = unix_socket_read(inode, &socket);
    *end = (struct unix_end){socket.peer, socket.unread, socket.listening};
    return result;
}
