// SPDX-License-Identifier: MIT
#include "doors/held_ends.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/other_stack.h"
#include "base/raw_syscall.h"
#include "kernel/child_wait.h"
#include "kernel/fd_scan.h"
#include "process/life.h"
#include "process/pairs.h"

/* A process looks through descriptors so often at most: after that the watchdog is cheaper. */
enum { ASKED_AT_MOST = 4 };

struct question {
    int held;
    struct object_key key;
    unsigned wanted; /* FD_READS or FD_WRITES */
    enum other_end answer;
};

/* A folder has one link from each of its folders, and two more. */
bool has_several_threads(void)
{
    enum { LINKS_OF_ONE = 3 };
    struct stat threads;
    return raw_syscall(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &threads, 0) == 0 &&
           threads.st_nlink > LINKS_OF_ONE;
}

/* Of a child that is gone nothing is left open. */
static bool has_no_such_end(void *context, int child)
{
    struct question *question = context;
    long found = fd_find(child, question->key, question->wanted);
    bool none = found == -ENOENT || found == -ESRCH;
    if (!none)
        question->answer = END_OF_OTHERS;
    return none;
}

/* The end can only have been inherited from this process. Whom a child has given it to and not kept
 * it itself is not looked for. */
static void look(void *context)
{
    struct question *question = context;
    struct fd_description held;
    int pid = atomic_load(&life->pid);
    question->answer = END_OF_OTHERS;
    if (fd_describe(pid, question->held, &held) < 0 || held.kind != LINK_PIPE ||
        (held.access != FD_READS && held.access != FD_WRITES) || has_several_threads())
        return;
    question->key = held.key;
    question->wanted = held.access == FD_READS ? FD_WRITES : FD_READS;
    question->answer = END_OF_NOBODY;
    if (children_of_thread(pid, pid, has_no_such_end, question) != 0)
        question->answer = END_OF_OTHERS;
    if (question->answer == END_OF_OTHERS)
        return;
    long own = fd_find(pid, question->key, question->wanted);
    if (own != -ENOENT)
        question->answer = own >= 0 ? END_OF_SELF : END_OF_OTHERS;
}

static enum other_end ask(int held)
{
    struct question question = {.held = held, .answer = END_OF_OTHERS};
    if (atomic_fetch_add(&life->ends_asked, 1) < ASKED_AT_MOST)
        on_other_stack(look, &question);
    return question.answer;
}

bool held_ends_reach_others(void)
{
    /* A vfork child has its parent's memory and descriptors of its own. */
    return pairs_any_made() && atomic_load(&life->pid) == (int)raw_syscall(SYS_getpid) &&
           pairs_one_end_is_held(ask);
}
