// SPDX-License-Identifier: MIT
#include "doors/held_ends.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/other_stack.h"
#include "base/raw_syscall.h"
#include "kernel/child_wait.h"
#include "kernel/fd_scan.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"
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
static bool keeps_none(int child, const struct question *question)
{
    long found = fd_find(child, question->key, question->wanted);
    return found == -ENOENT || found == -ESRCH;
}

/* Asked twice: a child that has just been forked moves it to a lower number, behind the back of who
 * lists its descriptors in ascending order. This wait would never be looked at. */
static bool has_no_such_end(void *context, int child)
{
    struct question *question = context;
    bool none = true;
    for (int look = 0; look < 2 && none; look++)
        none = keeps_none(child, question);
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

/* A pair of which this process has kept both ends. */
struct kept_pair {
    struct object_key keys[2]; /* of a pipe twice the same */
    unsigned access[2];
    uint64_t start_stack;
    bool may_block;
    enum other_end answer;
};

static bool read_stat(int pid, struct stat_line *line)
{
    char text[1024];
    return proc_read_of(pid, 0, "stat", text, sizeof text) > 0 && parse_stat(text, line);
}

/* A child has one of its standard streams there, or one end alone: it is given to it. Has it both,
 * it is a pipe by which this process wakes itself, or a jobserver's, inherited by all (make); but a
 * child that is still a copy of this process may yet be about to close or to exchange them. Such a
 * pipe does not block whoever wakes. The library's own children, which have all descriptors, send
 * no signal when they end. */
static bool is_not_given(void *context, int child)
{
    struct kept_pair *pair = context;
    struct stat_line line;
    if (!read_stat(child, &line) || line.end_signal != SIGCHLD)
        return true;
    long first = fd_find(child, pair->keys[0], pair->access[0]);
    long second = fd_find(child, pair->keys[1], pair->access[1]);
    bool given =
        (first >= 0) != (second >= 0) || (first >= 0 && first <= 2) || (second >= 0 && second <= 2);
    if (!given && first >= 0 && pair->may_block)
        given = line.start_stack == pair->start_stack;
    if (given)
        pair->answer = END_OF_OTHERS;
    return !given;
}

struct kept_ends {
    const int *ends;
    enum other_end answer;
};

static void look_for_both(void *context)
{
    struct kept_ends *kept = context;
    int pid = atomic_load(&life->pid);
    struct kept_pair pair = {.answer = END_OF_SELF};
    for (unsigned i = 0; i < 2; i++) {
        struct fd_description end;
        if (fd_describe(pid, kept->ends[i], &end) < 0)
            return;
        pair.keys[i] = end.key;
        pair.access[i] = end.access;
    }
    pair.may_block = !(raw_syscall(SYS_fcntl, kept->ends[1], F_GETFL) & O_NONBLOCK);
    struct stat_line own;
    pair.start_stack = read_stat(pid, &own) ? own.start_stack : 0;
    children_of_thread(pid, pid, is_not_given, &pair);
    kept->answer = pair.answer;
}

/* The first four times, the eighth, the sixteenth: make waits for each of its jobs. */
static bool is_to_be_asked(void)
{
    uint32_t before = atomic_fetch_add(&life->both_asked, 1);
    return (before & (before + 1)) == 0 || before < ASKED_AT_MOST;
}

static enum other_end ask_both(const int ends[2])
{
    struct kept_ends kept = {ends, END_OF_SELF};
    if (is_to_be_asked())
        on_other_stack(look_for_both, &kept);
    return kept.answer;
}

struct left_ends {
    struct object_key key;
    bool found;
};

static bool has_not_both(void *context, int child)
{
    struct left_ends *left = context;
    struct stat_line line;
    left->found = read_stat(child, &line) && line.end_signal == SIGCHLD &&
                  fd_find(child, left->key, FD_READS) >= 0 &&
                  fd_find(child, left->key, FD_WRITES) >= 0;
    return !left->found;
}

static void look_at_children(void *context)
{
    struct left_ends *left = context;
    int pid = atomic_load(&life->pid);
    if (fd_find(pid, left->key, FD_READS | FD_WRITES) == -ENOENT)
        children_of_thread(pid, pid, has_not_both, left);
}

bool held_ends_left_to_child(void)
{
    struct left_ends left = {.key.inode = atomic_load(&life->fed_pipe)};
    if (left.key.inode != 0 && atomic_load(&life->pid) == (int)raw_syscall(SYS_getpid) &&
        is_to_be_asked())
        on_other_stack(look_at_children, &left);
    return left.found;
}

bool held_ends_reach_others(void)
{
    /* A vfork child has its parent's memory and descriptors of its own. */
    return pairs_any_made() && atomic_load(&life->pid) == (int)raw_syscall(SYS_getpid) &&
           pairs_reach_others(ask, ask_both);
}
