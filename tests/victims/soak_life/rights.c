// SPDX-License-Identifier: MIT
/* Children that give up their rights. */
#include "life.h"

#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

extern int capset(void *header, const void *data);

static long give_up(unsigned how)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0}, {0}};
    uint64_t handled = (1 << 1) | (1 << 8);
    switch (how) {
    case 0:
        return setuid(65534);
    case 1:
        return syscall(SYS_setuid, 65534);
    case 2:
        return capset(&header, none);
    case 3:
        return syscall(SYS_capset, &header, none);
    case 4:
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    case 5:
        return unshare(CLONE_NEWUSER);
    case 6:
        return syscall(SYS_unshare, CLONE_NEWNS);
    case 7:
        return seteuid(65534) + seteuid(0);
    case 8: {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        long ruleset = syscall(444, &handled, sizeof handled, 0); /* landlock_create_ruleset */
        return ruleset < 0 ? 0 : syscall(446, ruleset, 0);        /* landlock_restrict_self */
    }
    case 9:
        return setgroups(0, NULL) + setresgid(65534, 65534, 65534) + setresuid(65534, 65534, 65534);
    default:
        return syscall(SYS_setresuid, -1, 65534, -1) + syscall(SYS_setresuid, -1, 0, -1);
    }
}

enum { WAYS_TO_GIVE_UP = 11 };

void turn_rights(void)
{
    unsigned how = choose(WAYS_TO_GIVE_UP);
    bool beside_thread = choose(2) && how != 5; /* it would have to be there all the time */
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct stuck_thread stuck = {0};
        if (choose(2))
            write_slowly();
        if (beside_thread)
            stuck = stuck_thread_start();
        errno = 0;
        long result = give_up(how);
        dprintf(words, "rights %u %ld %d uid %d %d\n", how, result, errno, (int)getuid(),
                (int)geteuid());
        if (beside_thread)
            say("rights", "thread", stuck_thread_end(stuck));
        say("rights", "after", write_slowly());
        leave(choose(3));
    }
    say("rights", "child", outcome_of(child));
}
