// SPDX-License-Identifier: MIT
#include "kernel/unread.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/raw_syscall.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"

/* Of its folder: what is in there belongs to root when it is not dumpable. */
bool is_of_our_user(int pid)
{
    char path[PROC_PATH_LIMIT];
    struct statx process = {0};
    proc_path(path, pid, 0, "");
    return raw_syscall(SYS_statx, AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_UID, &process) == 0 &&
           process.stx_uid == (uint32_t)raw_syscall(SYS_geteuid);
}

enum unread unread_because(int pid)
{
    char text[512];
    struct stat_line stat;
    if (proc_read_of(pid, 0, "stat", text, sizeof text) <= 0 || !parse_stat(text, &stat) ||
        stat.kernel_thread || stat.state == 'Z' || stat.state == 'X')
        return UNREAD_NOT;
    return is_of_our_user(pid) ? UNREAD_PROTECTED : UNREAD_OTHER_USER;
}

void unread_count(int pid, struct unread_count *count)
{
    enum unread because = unread_because(pid);
    count->other_users += because == UNREAD_OTHER_USER;
    count->is_protected += because == UNREAD_PROTECTED;
}
