// SPDX-License-Identifier: MIT
#include "doors/rights_doors.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "doors/door.h"
#include "doors/real.h"
#include "process/life.h"
#include "watch/companions.h"
#include "watch/late_start.h"
#include "watch/thread.h"

bool watchdog_is_ours(void)
{
    return life_active() && atomic_load(&life->pid) == (int32_t)raw_syscall(SYS_getpid);
}

enum watchdog_hold hold_watchdog(void)
{
    if (!late_start() || !watchdog_is_ours())
        return NOT_HELD;
    bool runs = atomic_load(&life->watchdog_tid) != 0;
    watchdog_thread_hold();
    return runs ? HELD_BACK : HELD;
}

void release_watchdog(enum watchdog_hold hold)
{
    if (hold != NOT_HELD)
        watchdog_thread_release();
}

/* unshare(CLONE_NEWUSER) and its kin fail with EINVAL in a process with two threads; Firefox's and
 * Chromium's sandboxes depend on it. A mount namespace cannot be entered while CLONE_FS shares the
 * root and the working directory (setns(2)). Of any other namespace the watchdog would stay
 * outside. */
bool unshare_changes_rights(int flags)
{
    return flags & ~(CLONE_FILES | CLONE_SYSVSEM);
}

bool prctl_changes_rights(int option)
{
    return option == PR_SET_NO_NEW_PRIVS || option == PR_CAPBSET_DROP || option == PR_CAP_AMBIENT ||
           option == PR_SET_SECUREBITS;
}

static bool is_of_one_thread(long number)
{
    switch (number) {
    case SYS_setuid:
    case SYS_setgid:
    case SYS_setreuid:
    case SYS_setregid:
    case SYS_setresuid:
    case SYS_setresgid:
    case SYS_setgroups:
    case SYS_capset:
        return true;
    default:
        return false;
    }
}

/* True if the process has more threads than so many; the directory has a link for each and two
 * more.
 */
static bool has_more_threads_than(unsigned count)
{
    struct stat tasks = {0};
    return raw_syscall(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &tasks, 0) != 0 ||
           tasks.st_nlink > count + 2;
}

/* A process ends with its last thread, and with that thread's status. The watchdog would see within
 * a second that it is alone, but not what the status was: so it leaves before a thread that may be
 * the last one (beside it there may be the first, dead and not yet gone) and comes back if it was
 * not.
 */
void before_raw_exit(int status)
{
    enum { PATIENCE_NS = 50 * NS_PER_MS };
    if (!watchdog_is_ours())
        return;
    atomic_store(&life->exit_status,
                 (uint32_t)status & 0xff); /* the watchdog's, if it stays longer */
    if (atomic_load(&life->watchdog_tid) == 0 || has_more_threads_than(3))
        return;
    watchdog_thread_hold_at_exit(clock_monotonic_ns() + PATIENCE_NS);
    watchdog_thread_release();
}

/* File servers (Samba) change the credentials of a thread for each request while others keep
 * theirs: there the watchdog stays as long as it proves, at once and at short intervals, that a
 * thread has as many rights. Elsewhere it is stopped first. */
void before_raw_change_of_rights(long number)
{
    if (!late_start() || !watchdog_is_ours())
        return;
    bool runs = atomic_load(&life->watchdog_tid) != 0;
    /* The caller and the watchdog. */
    if (runs && is_of_one_thread(number) && has_more_threads_than(2))
        watchdog_thread_doubt();
    else if (runs)
        watchdog_thread_stop(false, LONGEST_STOP_MS);
    companions_stop();
}

int rights_unshare(int flags)
{
    BOUND(unshare);
    enum watchdog_hold hold = unshare_changes_rights(flags) ? hold_watchdog() : NOT_HELD;
    int result = real_unshare(flags);
    release_watchdog(hold);
    return result;
}

/* Behind it there may be no /proc that tells of filters. */
DOOR(int, chroot, (const char *path))
{
    BOUND(chroot);
    late_start();
    return real_chroot(path);
}

DOOR(int, unshare, (int flags))
{
    return rights_unshare(flags);
}

/* Credentials are a thread's own to the kernel, and glibc's broadcast (setxid) reaches only threads
 * that glibc made: a watchdog left running would keep root in a process that has given it up. */
#define HOLDING(type, name, parameters, arguments)                                                 \
    DOOR(type, name, parameters)                                                                   \
    {                                                                                              \
        BOUND(name);                                                                               \
        enum watchdog_hold hold = hold_watchdog();                                                 \
        type result = real_##name arguments;                                                       \
        release_watchdog(hold);                                                                    \
        return result;                                                                             \
    }

HOLDING(int, setns, (int fd, int type), (fd, type))
HOLDING(int, setuid, (uid_t uid), (uid))
HOLDING(int, setgid, (gid_t gid), (gid))
HOLDING(int, seteuid, (uid_t uid), (uid))
HOLDING(int, setegid, (gid_t gid), (gid))
HOLDING(int, setreuid, (uid_t real, uid_t effective), (real, effective))
HOLDING(int, setregid, (gid_t real, gid_t effective), (real, effective))
HOLDING(int, setresuid, (uid_t real, uid_t effective, uid_t saved), (real, effective, saved))
HOLDING(int, setresgid, (gid_t real, gid_t effective, gid_t saved), (real, effective, saved))
HOLDING(int, setgroups, (size_t count, const gid_t *list), (count, list))
HOLDING(int, initgroups, (const char *user, gid_t group), (user, group))
HOLDING(int, capset, (void *header, const void *data), (header, data))
