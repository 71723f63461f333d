// SPDX-License-Identifier: MIT
/* What the drainer did. Plain data: watch/ fills it, report/ prints it. */
#ifndef PIPESHIM_FACTS_DRAIN_FACTS_H
#define PIPESHIM_FACTS_DRAIN_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/member.h"
#include "facts/object_facts.h"

/* One episode: from the first write that was queued until the queue is empty again. */
struct drain_facts {
    int fd;
    struct object_facts object; /* its name at least */
    uint64_t queued_bytes;      /* taken into the queue until now; payload */
    uint64_t peak_bytes;        /* at once, as the bound counts them: with the records' headers */
    uint64_t ns;                /* since it began */
    uint64_t ref;               /* of its drain_start; 0 in that itself */
};

/* An exit, or an exec, that waits for what is queued. */
struct drain_wait_facts {
    int fd;
    struct object_facts object;
    uint64_t bytes;     /* queued */
    uint64_t waited_ns; /* until now */
    uint64_t limit_ns;  /* how long it waits; UINT64_MAX: for ever */
    bool exits;         /* else an exec */
    bool is_first;      /* of its PID namespace: what is left then is lost */
    bool spools;        /* what is left then goes to a file */
};

/* What nobody read went to a file. */
struct drain_spool_facts {
    int fd;
    struct object_facts object;
    const char *path;
    uint64_t offset; /* in the file */
    uint64_t bytes, writes;
};

/* What became of the rest of a queue. */
enum drain_loss {
    DRAIN_DROPPED,
    DRAIN_HANDED_OVER,
    DRAIN_LOST_WITH_INIT,
    DRAIN_LOST_WITHOUT_HELPER,
};

/* A pipe that its reader left unread for so long that the program would have hung. */
struct drain_rescue {
    int fd;
    char object[OBJECT_NAME_LIMIT];
    struct peer_facts reader;          /* pid 0: not known */
    char reader_name[PEER_NAME_LIMIT]; /* as its user knows it */
    char where[WHERE_LIMIT];           /* its line of user code meanwhile; "": not known */
    uint64_t hung_ns;                  /* something was queued, and nothing taken */
    bool to_the_end;                   /* … when the program ended as well */
    uint64_t peak_bytes;
    uint64_t lost_bytes, handed_over_bytes, spooled_bytes;
};

/* Of one process. */
struct drain_totals {
    uint64_t episodes, queued_bytes, peak_bytes, dropped_bytes, dropped_writes;
    uint64_t lost_bytes; /* queued for a reader that went away */
    uint64_t handed_over_bytes, handed_over_writes;
    uint64_t spooled_bytes;
};

/* Runs on: any. Plain data. */
#endif
