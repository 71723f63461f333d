// SPDX-License-Identifier: MIT
/*
 * pipeshim rescue PID: lets a process go on that is stuck on a full pipe, without a restart and
 * without a preload. First what takes nothing (a larger pipe), then, only if asked, what does.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/rescue/pipe.h"
#include "cli/rescue/target.h"
#include "config/parse.h"
#include "kernel/task.h"

static const char name[] = "rescue";

enum { RESCUED = 0, STILL_STUCK = 1, ERROR = 3, GOES_ON_WITHIN_MS = 1000 };

struct options {
    int pid, fd;
    int64_t grow; /* 0: as large as allowed */
    const char *spool;
    bool discard, force;
    uint64_t for_ns;
};

static int print_help(void)
{
    puts("usage: pipeshim rescue [OPTIONS] PID\n"
         "\n"
         "Lets a process go on that is stuck on a full pipe: makes the pipe larger, which takes\n"
         "nothing from it. With --spool or --discard it then takes what nobody reads, until the\n"
         "reader comes back. Acts only when the stall is proven, as diagnose proves it.\n"
         "\n"
         "  --fd N         the descriptor of PID; else the one that it is found to be stuck on\n"
         "  --grow SIZE    how large to make the pipe (as large as fs.pipe-max-size allows)\n"
         "  --spool FILE   take what is not read and keep it in FILE, which must not exist\n"
         "  --discard      take it and throw it away\n"
         "  --for D        end --spool or --discard after this time\n"
         "  --force        without a proof; needs --fd\n"
         "  --help, --version\n"
         "\n"
         "Exit status: 0 it goes on, 1 it is not stuck or still is, 3 error, 64 wrong use.");
    return fflush(stdout) == 0 ? 0 : ERROR;
}

static int take_option(int option, void *context)
{
    struct options *options = context;
    uint64_t size;
    switch (option) {
    case 'f':
        return parse_integer(optarg, 0, &options->fd)
                   ? OPTIONS_READ
                   : usage_error(name, "--fd %s: expected the number of a descriptor", optarg);
    case 'g':
        if (!parse_size(optarg, &size) || size < 4096 || size > INT_MAX)
            return usage_error(name, "--grow %s: expected a size such as 512K or 1M", optarg);
        options->grow = (int64_t)size;
        return OPTIONS_READ;
    case 's':
        options->spool = optarg;
        return OPTIONS_READ;
    case 'd':
        options->discard = true;
        return OPTIONS_READ;
    case 'o':
        return parse_duration(optarg, &options->for_ns) && options->for_ns > 0
                   ? OPTIONS_READ
                   : usage_error(name, "--for %s: expected a duration such as 30s", optarg);
    default: /* 'F' */
        options->force = true;
        return OPTIONS_READ;
    }
}

/* OPTIONS_READ, or the status to exit with. */
static int parse_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"fd", required_argument, NULL, 'f'},
        {"grow", required_argument, NULL, 'g'},
        {"spool", required_argument, NULL, 's'},
        {"discard", no_argument, NULL, 'd'},
        {"for", required_argument, NULL, 'o'},
        {"force", no_argument, NULL, 'F'},
        OPTIONS_OF_ALL,
    };
    static const struct command_options reading = {name, ":h", known, print_help, take_option};
    *options = (struct options){.fd = -1};
    int status = options_read(&reading, argc, argv, options);
    if (status != OPTIONS_READ)
        return status;
    if (optind + 1 != argc)
        return usage_error(name, optind == argc ? "a PID is missing" : "only one PID can be given");
    if (!parse_pid(argv[optind], &options->pid))
        return usage_error(name, "'%s' is not a PID", argv[optind]);
    if (options->spool && options->discard)
        return usage_error(name, "only one of --spool and --discard can be given");
    if (options->force && options->fd < 0)
        return usage_error(name, "--force needs --fd");
    return OPTIONS_READ;
}

static void say_why_not(int error, const struct rescue_target *target)
{
    const char *why = strerror(-error);
    if (error == -EPERM || error == -EACCES)
        why = "not permitted: only root, or its own user where Yama (kernel.yama.ptrace_scope) "
              "allows it";
    else if (error == -EBUSY)
        why = "the user's pipes together exceed fs.pipe-user-pages-hard";
    fprintf(stderr, "pipeshim rescue: %s of %s[%d]: %s\n", target->object, target->writer_name,
            target->writer, why);
}

/* A process that only needed space for one more line goes on at once; one that writes on fills any
 * pipe, so it is given a moment to, and longer while it is ready to run. */
static bool goes_on(const struct rescue_target *target)
{
    enum { STEP_MS = 50, RUNS_FOR_MS = 3000 };
    for (int waited = STEP_MS;; waited += STEP_MS) {
        struct timespec pause = {0, STEP_MS * (long)NS_PER_MS};
        nanosleep(&pause, NULL);
        if (waited < GOES_ON_WITHIN_MS)
            continue;
        if (rescue_target_is_stuck(target) == 1)
            return false;
        if (waited >= RUNS_FOR_MS || !task_wants_cpu(target->writer_tid))
            return true;
    }
}

static bool grow(const struct rescue_target *target, const struct options *options, int *status)
{
    struct rescue_growth growth;
    int error = rescue_grow(target, options->grow, &growth);
    if (error < 0) {
        say_why_not(error, target);
        *status = ERROR;
        return false;
    }
    if (growth.after > growth.before)
        printf("grew %s from %lld to %lld bytes; nothing was taken from it\n", target->object,
               (long long)growth.before, (long long)growth.after);
    else
        printf("%s is as large as it can be made: %lld bytes\n", target->object,
               (long long)growth.before);
    if (growth.limit)
        printf("more is not allowed to user %d: %s is %lld\n", (int)geteuid(), growth.limit,
               (long long)growth.limit_value);
    fflush(stdout);
    return growth.after > growth.before && goes_on(target);
}

static int open_spool(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static int take(const struct rescue_target *target, const struct options *options)
{
    struct rescue_taken taken;
    if (target->socket) {
        printf(
            "%s is a socket: it cannot be opened from outside, so nothing can be taken from it\n",
            target->object);
        return STILL_STUCK;
    }
    int to = options->spool ? open_spool(options->spool) : -1;
    if (options->spool && to < 0) {
        fprintf(stderr, "pipeshim rescue: %s: %s; nothing was taken\n", options->spool,
                strerror(errno));
        return ERROR;
    }
    int error = rescue_take(target, to, options->for_ns, &taken);
    if (to >= 0)
        close(to);
    printf("took %llu bytes that %s[%d] wrote and nobody read%s%s: %s\n",
           (unsigned long long)taken.bytes, target->writer_name, target->writer,
           options->spool ? ", they are in " : ", they are gone",
           options->spool ? options->spool : "",
           taken.reader_is_back ? "its reader is back"
           : taken.writers_gone ? "it has closed the pipe or ended"
           : taken.time_is_over ? "the time of --for is over"
           : taken.interrupted  ? "a signal ended this"
                                : "it could not go on");
    if (error < 0 && taken.file_failed)
        fprintf(stderr, "pipeshim rescue: %s: %s; what it did not take is in the pipe still\n",
                options->spool, strerror(-error));
    else if (error < 0)
        say_why_not(error, target);
    if (error < 0)
        return ERROR;
    return (taken.time_is_over || taken.interrupted) && rescue_target_is_stuck(target) == 1
               ? STILL_STUCK
               : RESCUED;
}

static int rescue(const struct rescue_target *target, const struct options *options)
{
    int status = STILL_STUCK;
    if (target->words[0])
        printf("%s\n", target->words);
    if (grow(target, options, &status)) {
        printf("%s[%d] goes on\n", target->writer_name, target->writer);
        return RESCUED;
    }
    if (options->spool || options->discard)
        return take(target, options);
    if (status == STILL_STUCK)
        printf("%s[%d] is still stuck: its reader does not read. %s\n", target->writer_name,
               target->writer,
               target->socket
                   ? "Nothing can be taken from a socket from outside"
                   : "--spool FILE takes what it wrote and keeps it, --discard throws it "
                     "away");
    return status;
}

/* What to do instead: who is root sees more, and who knows may say so. */
static int say_not_proven(int pid, const struct rescue_target *target)
{
    char fd[16] = "N";
    if (target->fd >= 0)
        snprintf(fd, sizeof fd, "%d", target->fd);
    fprintf(stderr,
            "pipeshim rescue: process %d waits for space, and nothing proves that it is stuck: %s; "
            "nothing was done: run this as root, or with --force --fd %s if you know that it is\n",
            pid, target->words, fd);
    return STILL_STUCK;
}

static int find(const struct options *options, struct rescue_target *target)
{
    enum rescue_found found = rescue_target_find(options->pid, options->fd, target);
    struct rescue_target hidden = *target;
    switch (found) {
    case RESCUE_FOUND:
        return -1;
    case RESCUE_NO_PROCESS:
        fprintf(stderr, "pipeshim rescue: process %d not found\n", options->pid);
        return ERROR;
    case RESCUE_NOT_READABLE:
        if (options->force && rescue_target_assume(options->pid, options->fd, target))
            return -1;
        fprintf(stderr,
                "pipeshim rescue: process %d may not be read: expected root, or its own user where "
                "Yama (kernel.yama.ptrace_scope) allows it; nothing was done\n",
                options->pid);
        return ERROR;
    case RESCUE_NOT_STUCK:
    case RESCUE_NOT_PROVEN:
        break;
    }
    if (options->force && rescue_target_assume(options->pid, options->fd, target))
        return -1;
    if (found == RESCUE_NOT_PROVEN)
        return say_not_proven(options->pid, &hidden);
    printf("process %d is not stuck on a full pipe, as far as can be proven; nothing was done\n",
           options->pid);
    return STILL_STUCK;
}

int command_rescue(int argc, char **argv)
{
    struct options options;
    struct rescue_target target;
    int status = parse_options(argc, argv, &options);
    if (status >= 0)
        return status;
    status = find(&options, &target);
    if (status < 0)
        status = rescue(&target, &options);
    return fflush(stdout) == 0 ? status : ERROR;
}
