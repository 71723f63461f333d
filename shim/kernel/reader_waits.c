// SPDX-License-Identifier: MIT
#include "kernel/reader_waits.h"

#include "kernel/object_reader.h"
#include "kernel/wait_set.h"

struct wanted_pipe {
    int pid;
    struct object_key key;
    bool found;
};

static bool asks_for(void *context, int fd, unsigned waits_for)
{
    struct wanted_pipe *wanted = context;
    struct fd_description description;
    if ((waits_for & WAIT_FOR_INPUT) && fd_describe(wanted->pid, fd, &description) == 0)
        wanted->found = object_key_equal(description.key, wanted->key);
    return !wanted->found;
}

bool reader_waits(int pid, struct object_key pipe, bool memory_allowed)
{
    struct wanted_pipe wanted = {pid, pipe, false};
    struct directory threads;
    char path[PROC_PATH_LIMIT];
    int tid;
    proc_path(path, pid, 0, "task");
    if (directory_open(&threads, path) < 0)
        return false;
    for (int count = 0; !wanted.found && count < ACCESS_THREAD_LIMIT &&
                        directory_next_number(&threads, &tid, NULL);
         count++) {
        struct thread_wait wait;
        if (thread_wait_read(pid, tid, &wait))
            wait_set_each(pid, &wait, memory_allowed, asks_for, &wanted);
    }
    directory_close(&threads);
    return wanted.found;
}
