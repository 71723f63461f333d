// SPDX-License-Identifier: MIT
#include "watch/known_peers.h"

#include <string.h>

#include "base/clock.h"

enum { PIPES_KNOWN = 16 };
#define KNOWN_FOR_NS ((uint64_t)10 * NS_PER_S)

struct known {
    uint64_t inode, device; /* inode 0: free */
    enum object_role role;
    uint64_t found_ns;
    unsigned unreadable; /* processes, of which some may hold it too */
    unsigned count;
    struct peer_holder holders[PEER_LIMIT];
};

static struct known known[PIPES_KNOWN];
static unsigned next; /* the one to be overwritten; child: kept, any will do */

void known_peers_begin(void)
{
    memset(known, 0, sizeof known);
}

static struct known *entry_of(enum object_role role, const struct pipe_facts *pipe)
{
    for (unsigned i = 0; i < PIPES_KNOWN; i++) {
        if (known[i].inode == pipe->inode && known[i].device == pipe->device &&
            known[i].role == role)
            return &known[i];
    }
    return NULL;
}

/* Nobody, or more than fit: to be looked for each time. */
static void remember(enum object_role role, const struct pipe_facts *pipe, struct known *entry)
{
    if (pipe->inode == 0 || pipe->peer_count == 0 || pipe->peer_count > PEER_LIMIT)
        return;
    if (!entry)
        entry = &known[next++ % PIPES_KNOWN];
    *entry = (struct known){.inode = pipe->inode,
                            .device = pipe->device,
                            .role = role,
                            .found_ns = clock_monotonic_ns(),
                            .unreadable = pipe->peers_unreadable};
    for (unsigned i = 0; i < pipe->peer_count; i++)
        entry->holders[entry->count++] =
            (struct peer_holder){pipe->peers[i].pid, pipe->peers[i].fd};
}

static bool is_fresh(const struct known *entry)
{
    return entry && entry->inode != 0 && clock_monotonic_ns() - entry->found_ns < KNOWN_FOR_NS;
}

bool known_peers_has(enum object_role role, const struct object_facts *facts)
{
    return is_fresh(entry_of(role, &facts->pipe));
}

void known_peers_find(enum object_role role, unsigned access, struct object_facts *facts)
{
    struct known *entry = entry_of(role, &facts->pipe);
    if (is_fresh(entry) && peers_still_hold(role, access, entry->holders, entry->count, facts)) {
        facts->pipe.peers_unreadable = entry->unreadable;
        return;
    }
    find_peers(role, access, facts);
    remember(role, &facts->pipe, entry);
}
