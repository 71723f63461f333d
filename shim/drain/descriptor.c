// SPDX-License-Identifier: MIT
#include "drain/descriptor.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/raw_syscall.h"
#include "base/ticks.h"
#include "drain/headroom_table.h"
#include "drain/send_order.h"
#include "process/filters.h"
#include "process/life.h"

enum { FOR_EVER = -1 };

/* child: kept, a child drains what its parent does */
bool descriptors_named[DESCRIPTOR_LIMIT];
bool descriptors_all_named; /* child: kept, likewise */

/* One for each number below the limit. `version` is a seqlock for its writers, who take it by
 * compare-and-exchange. */
struct entry {
    _Atomic uint32_t version;  /* odd while it is written */
    _Atomic uint32_t changing; /* doors inside a call that changes the descriptor */
    _Atomic int32_t foreign;   /* not to be remembered: FOR_EVER, or while this vfork child lives */
    _Atomic uint64_t asked;    /* ticks; 0: nothing is remembered */
    _Atomic uint32_t kind;
    _Atomic uint64_t device, inode;
    _Atomic uint32_t free_since; /* of descriptors_children_ended; 0: not known to be free */
};
_Atomic uint32_t descriptors_children_ended = 1; /* child: kept, only its changes count */
static struct entry entries[DESCRIPTOR_LIMIT];
_Static_assert((int)HEADROOM_FDS == (int)DESCRIPTOR_LIMIT, "what is remembered has a headroom");

/* True if the list of numbers has `fd`. */
static bool lists(const char *text, unsigned fd)
{
    for (unsigned number = 0; *text; text++) {
        if (*text >= '0' && *text <= '9' && number < DESCRIPTOR_LIMIT)
            number = number * 10 + (unsigned)(*text - '0');
        if ((text[1] == ',' || text[1] == 0) && number == fd)
            return true;
        if (*text == ',')
            number = 0;
    }
    return false;
}

/* Each flag is written once, with its last value: other threads may be writing. */
bool descriptor_name(const char *text)
{
    bool off = !strcmp(text, "off") || !*text;
    bool all = !strcmp(text, "all");
    bool standard = !strcmp(text, "stdout") || !strcmp(text, "stderr") || !strcmp(text, "stdio");
    for (unsigned fd = 0; fd < DESCRIPTOR_LIMIT; fd++) {
        bool named = !off && !all && !standard && lists(text, fd);
        if (fd == 1 || fd == 2)
            named |= !strcmp(text, "stdio") || !strcmp(text, fd == 1 ? "stdout" : "stderr");
        if (descriptors_named[fd] != named)
            descriptors_named[fd] = named;
    }
    if (descriptors_all_named != all)
        descriptors_all_named = all;
    return !off;
}

/* Of those the ones that are named only until they change. child: kept, likewise */
static bool named_by_proof[DESCRIPTOR_LIMIT];

bool descriptor_name_one(int fd, bool on)
{
    if (fd < 0 || fd >= DESCRIPTOR_LIMIT || (on && descriptor_named(fd)))
        return false;
    if (on || named_by_proof[fd])
        descriptors_named[fd] = on;
    named_by_proof[fd] = on;
    return true;
}

static int socket_option(int fd, int option)
{
    int value = -1;
    uint32_t size = sizeof value;
    return raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

/* A network connection is none: what its close() does to unsent bytes would not be the same. */
static bool is_local_stream(int fd)
{
    return socket_option(fd, SO_DOMAIN) == AF_UNIX && socket_option(fd, SO_TYPE) == SOCK_STREAM;
}

/* False: it is not open. O_DIRECT is a pipe of packets, which batches would merge. */
static bool ask(int fd, struct descriptor *found)
{
    struct stat status;
    found->device = 0;
    found->inode = 0;
    found->kind = DESCRIPTOR_OTHER;
    found->non_blocking = false;
    if (raw_syscall(SYS_fstat, fd, &status) != 0)
        return false;
    bool pipe = S_ISFIFO(status.st_mode);
    if (!pipe && !(S_ISSOCK(status.st_mode) && is_local_stream(fd)))
        return true;
    long flags = raw_syscall(SYS_fcntl, fd, F_GETFL, 0);
    if (flags < 0 || (flags & O_DIRECT) || (flags & O_ACCMODE) == O_RDONLY)
        return flags >= 0;
    found->device = status.st_dev;
    found->inode = status.st_ino;
    found->kind = pipe ? DESCRIPTOR_PIPE : DESCRIPTOR_SOCKET;
    found->non_blocking = flags & O_NONBLOCK;
    return true;
}

static bool recall_entry(struct entry *entry, uint64_t now, uint64_t age, struct descriptor *found)
{
    uint32_t version = atomic_load_explicit(&entry->version, memory_order_acquire);
    uint64_t asked = atomic_load_explicit(&entry->asked, memory_order_relaxed);
    if ((version & 1) || asked == 0 || now - asked > age)
        return false;
    found->device = atomic_load_explicit(&entry->device, memory_order_relaxed);
    found->inode = atomic_load_explicit(&entry->inode, memory_order_relaxed);
    found->kind = atomic_load_explicit(&entry->kind, memory_order_relaxed);
    found->non_blocking = false; /* one that is so is not remembered */
    found->free = atomic_load_explicit(&entry->free_since, memory_order_relaxed) == found->children;
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&entry->version, memory_order_relaxed) == version;
}

/* False: someone else writes it, nothing is lost. */
static bool write_begin(struct entry *entry, uint32_t version)
{
    return !(version & 1) && atomic_compare_exchange_strong(&entry->version, &version, version + 1);
}

static void write_end(struct entry *entry)
{
    atomic_fetch_add(&entry->version, 1);
}

static bool memory_is_ours(void)
{
    return atomic_load(&life->pid) == (int32_t)raw_syscall(SYS_getpid);
}

bool descriptor_recall(int fd, uint64_t now, uint64_t age, struct descriptor *found)
{
    found->fd = fd;
    found->named = descriptor_named(fd);
    found->children = descriptor_children_ended();
    return fd >= 0 && fd < DESCRIPTOR_LIMIT && recall_entry(&entries[fd], now, age, found);
}

void descriptor_of(int fd, uint64_t now, uint64_t age, struct descriptor *found)
{
    found->fd = fd;
    found->named = descriptor_named(fd);
    found->free = false;
    found->children = descriptor_children_ended();
    if (fd < 0 || fd >= DESCRIPTOR_LIMIT) {
        ask(fd, found);
        return;
    }
    struct entry *entry = &entries[fd];
    if (recall_entry(entry, now, age, found))
        return;
    uint32_t version = atomic_load(&entry->version);
    bool keep = !atomic_load(&entry->changing) && !atomic_load(&entry->foreign) && memory_is_ours();
    if (!ask(fd, found) || !keep || found->non_blocking || !write_begin(entry, version))
        return;
    atomic_store_explicit(&entry->device, found->device, memory_order_relaxed);
    atomic_store_explicit(&entry->inode, found->inode, memory_order_relaxed);
    atomic_store_explicit(&entry->kind, found->kind, memory_order_relaxed);
    keep = !atomic_load(&entry->changing);
    atomic_store(&entry->asked, keep ? now : 0);
    write_end(entry);
}

/* Under a seccomp filter no call is made that the program would not make. */
bool descriptor_send_order_is_known(void)
{
    return filters_known() == 0;
}

bool descriptor_ask_free(struct descriptor *descriptor)
{
    uint32_t children = descriptor_children_ended();
    int fd = descriptor->fd;
    struct entry *entry = fd >= 0 && fd < DESCRIPTOR_LIMIT ? &entries[fd] : NULL;
    descriptor->free = !descriptor_send_order_is_known() || !send_order_is_taken(fd);
    if (entry && descriptor->free && atomic_load(&entry->asked))
        atomic_store(&entry->free_since, children);
    return descriptor->free;
}

void descriptor_child_ended(void)
{
    if (atomic_fetch_add(&descriptors_children_ended, 1) == UINT32_MAX)
        atomic_fetch_add(&descriptors_children_ended, 1);
}

/* Whoever asks the kernel meanwhile finds another version and does not remember the answer. */
static void forget(struct entry *entry)
{
    headroom_forget((unsigned)(entry - entries));
    enum { PATIENCE = 100000 }; /* a writer that a fork or a signal handler has left behind */
    uint32_t version = atomic_load(&entry->version);
    for (int tries = 0; tries < PATIENCE && !write_begin(entry, version); tries++)
        version = atomic_load(&entry->version);
    atomic_store(&entry->asked, 0);
    atomic_store(&entry->free_since, 0);
    atomic_store(&entry->version, (version | 1) + 1);
}

#define EACH(fd, first, last)                                                                      \
    for (unsigned fd = (first); fd <= (last) && fd < DESCRIPTOR_LIMIT; fd++)

void descriptor_changes(unsigned first, unsigned last)
{
    EACH(fd, first, last)
    {
        struct entry *entry = &entries[fd];
        atomic_fetch_add(&entry->changing, 1);
        if (named_by_proof[fd])
            descriptor_name_one((int)fd, false);
        if (atomic_load(&entry->asked) == 0)
            continue;
        int32_t pid = (int32_t)raw_syscall(SYS_getpid);
        if (pid != atomic_load(&life->pid))
            atomic_store(&entry->foreign, pid);
        forget(entry);
    }
}

void descriptor_changed(unsigned first, unsigned last)
{
    EACH(fd, first, last)
    {
        forget(&entries[fd]);
        atomic_fetch_sub(&entries[fd].changing, 1);
    }
}

void descriptor_forget(unsigned first, unsigned last)
{
    EACH(fd, first, last)
    {
        atomic_store(&entries[fd].foreign, FOR_EVER);
        forget(&entries[fd]);
    }
}

void descriptor_child_leaves(void)
{
    int32_t pid = (int32_t)raw_syscall(SYS_getpid);
    if (pid == atomic_load(&life->pid))
        return;
    for (unsigned fd = 0; fd < DESCRIPTOR_LIMIT; fd++) {
        int32_t left = pid;
        atomic_compare_exchange_strong(&entries[fd].foreign, &left, 0);
    }
}

void descriptor_begin_in_child(void)
{
    memset(entries, 0, sizeof entries);
}
