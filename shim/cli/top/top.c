// SPDX-License-Identifier: MIT
/* pipeshim top: a live view of every process that runs the library, worst first. The options, and
 * what is printed where there is no terminal. */
#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/status/unwatched.h"
#include "cli/top/top.h"
#include "config/parse.h"

volatile sig_atomic_t top_stopped;

static int print_help(void)
{
    puts("usage: pipeshim top [OPTIONS] [PID|GLOB]...\n"
         "\n"
         "Shows every process that runs the library, worst first: deadlocks, waits that cannot "
         "end,\n"
         "blocked calls, late event loops; and processes without it that a finding names. Reads\n"
         "their status pages; nothing is started in them.\n"
         "\n"
         "  -b, --batch              plain text, one table a refresh\n"
         "  -n, --count N            end after N refreshes (1, on no terminal, without -b and "
         "--json)\n"
         "  --json                   one JSON object a refresh\n"
         "  --interval D             between two refreshes (1s)\n"
         "  --sort ORDER             worst, since, blocked, lag, queue, cpu, name or pid (worst)\n"
         "  --filter TEXT            only rows that hold TEXT\n"
         "  --help, --version\n"
         "\n"
         "On a terminal: ? lists the keys.\n"
         "\n"
         "Exit status: 0; 1 a PID that was asked for does not run the library, or /proc cannot be\n"
         "read; 64 wrong use.");
    return fflush(stdout) == 0 ? 0 : 1;
}

static bool is_pid(const char *text)
{
    uint64_t number;
    return parse_number(text, &number);
}

static bool is_wanted(const struct top *top, const struct watched *process)
{
    for (int i = 0; i < top->wanted_count; i++) {
        const char *wanted = top->wanted[i];
        if (is_pid(wanted) ? (int)strtol(wanted, NULL, 10) == process->pid
                           : fnmatch(wanted, process->name, 0) == 0 ||
                                 fnmatch(wanted, process->executable, 0) == 0)
            return true;
    }
    return top->wanted_count == 0;
}

static bool is_chosen(const struct top *top, const struct watched *process)
{
    const struct watched *by = process;
    if (process->named.by_pid != 0)
        by = watched_find((struct watched_list *)&top->list, process->named.by_pid);
    else if (process->found != PAGE_READ)
        return false;
    if (!by || !(is_wanted(top, process) || is_wanted(top, by)))
        return false;
    if (top->hide_ok && view_state(process) <= STATE_OK)
        return false;
    return !top->filter[0] || view_matches(process, top->filter);
}

bool top_choose(struct top *top)
{
    free(top->shown);
    top->shown_count = 0;
    top->shown = calloc(top->list.count + 1, sizeof(struct watched *));
    if (!top->shown)
        return false;
    for (size_t i = 0; i < top->list.count; i++)
        if (is_chosen(top, top->list.processes[i]))
            top->shown[top->shown_count++] = top->list.processes[i];
    view_sort(top->shown, top->shown_count, top->order);
    return true;
}

bool top_refresh(struct top *top)
{
    uint64_t began = clock_monotonic_ns();
    if (!watched_refresh(&top->list, NULL)) {
        fprintf(stderr, "pipeshim top: /proc cannot be read: %s\n", strerror(errno));
        return false;
    }
    name_the_unwatched(&top->list);
    if (!top_choose(top)) {
        fputs("pipeshim top: out of memory\n", stderr);
        return false;
    }
    top->took_ns = clock_monotonic_ns() - began;
    return true;
}

/* Why a process that was asked for is not shown, or nothing is known of it. */
static int complain_of_missing(const struct top *top)
{
    static const char *const why[] = {
        [PAGE_READ] = "cannot be read",
        [PAGE_NO_LIBRARY] = "does not run the library",
        [PAGE_NOT_BEGUN] = "is not watched",
        [PAGE_NOT_PERMITTED] = "may not be read (be root, its user or its ancestor)",
        [PAGE_OTHER_VERSION] = "runs a library of another version, whose page is not known here",
        [PAGE_GONE] = "does not exist",
        [PAGE_TORN] = "could not be read: its page was being written each time",
    };
    int status = 0;
    for (int i = 0; i < top->wanted_count; i++) {
        int pid = is_pid(top->wanted[i]) ? (int)strtol(top->wanted[i], NULL, 10) : 0;
        const struct watched *process = watched_find((struct watched_list *)&top->list, pid);
        enum page_state state = process ? process->state : PAGE_GONE;
        bool known = process && process->found == PAGE_READ &&
                     (state == PAGE_READ || state == PAGE_NOT_BEGUN);
        if (pid == 0 || known || (process && process->named.by_pid != 0))
            continue;
        fprintf(stderr, "pipeshim top: process %d %s\n", pid, why[state]);
        status = 1;
    }
    return status;
}

/* One that was asked for, and was there at first. */
static void say_who_has_ended(struct top *top)
{
    for (int i = 0; i < top->wanted_count; i++) {
        int pid = is_pid(top->wanted[i]) ? (int)strtol(top->wanted[i], NULL, 10) : 0;
        if (pid == 0 || top->ended[i] || watched_find(&top->list, pid))
            continue;
        fprintf(stderr, "pipeshim top: process %d has ended\n", pid);
        top->ended[i] = true;
    }
}

static void print_json(const struct top *top)
{
    json_t *object = view_json(&top->list, top->shown, top->shown_count);
    json_object_set_new(object, "refresh_ms", json_real((double)top->took_ns / NS_PER_MS));
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
    putchar('\n');
    json_decref(object);
}

static void stop(int signal_number)
{
    (void)signal_number;
    top_stopped = 1;
}

static void wait_for_next(const struct top *top)
{
    struct timespec rest = {(time_t)(top->interval_ns / NS_PER_S),
                            (long)(top->interval_ns % NS_PER_S)};
    nanosleep(&rest, NULL);
}

static int run_batch(struct top *top)
{
    int status = 0;
    for (uint64_t count = 0; !top_stopped && (top->refreshes == 0 || count < top->refreshes);
         count++) {
        if (count > 0)
            wait_for_next(top);
        if (top_stopped)
            break;
        if (!top_refresh(top))
            return 1;
        if (count == 0)
            status = complain_of_missing(top);
        else
            say_who_has_ended(top);
        if (top->json)
            print_json(top);
        else
            view_table(stdout, &top->list, top->shown, top->shown_count);
        if (fflush(stdout) != 0)
            return 1;
    }
    return status;
}

enum { OPTION_JSON = 1000, OPTION_INTERVAL, OPTION_SORT, OPTION_FILTER };

static int take_option(int option, void *context)
{
    struct top *top = context;
    switch (option) {
    case 'b':
        top->batch = true;
        return OPTIONS_READ;
    case OPTION_JSON:
        top->batch = top->json = true;
        return OPTIONS_READ;
    case 'n':
        return parse_number(optarg, &top->refreshes) && top->refreshes > 0
                   ? OPTIONS_READ
                   : usage_error("top", "-n %s: expected a number from 1", optarg);
    case OPTION_INTERVAL:
        return parse_duration(optarg, &top->interval_ns) &&
                       top->interval_ns >= 10 * (uint64_t)NS_PER_MS
                   ? OPTIONS_READ
                   : usage_error("top", "--interval %s: expected a duration from 10ms", optarg);
    case OPTION_SORT:
        return view_parse_order(optarg, &top->order)
                   ? OPTIONS_READ
                   : usage_error("top",
                                 "--sort %s: expected worst, since, blocked, lag, queue, cpu, "
                                 "name or pid",
                                 optarg);
    default: /* OPTION_FILTER */
        snprintf(top->filter, sizeof top->filter, "%s", optarg);
        return OPTIONS_READ;
    }
}

/* OPTIONS_READ, or the status to exit with. */
static int read_options(int argc, char **argv, struct top *top)
{
    static const struct option known[] = {{"batch", no_argument, NULL, 'b'},
                                          {"count", required_argument, NULL, 'n'},
                                          {"json", no_argument, NULL, OPTION_JSON},
                                          {"interval", required_argument, NULL, OPTION_INTERVAL},
                                          {"sort", required_argument, NULL, OPTION_SORT},
                                          {"filter", required_argument, NULL, OPTION_FILTER},
                                          OPTIONS_OF_ALL};
    static const struct command_options reading = {"top", ":bn:h", known, print_help, take_option};
    int status = options_read(&reading, argc, argv, top);
    top->wanted = argv + optind;
    top->wanted_count = argc - optind;
    return status;
}

int command_top(int argc, char **argv)
{
    struct top top = {.interval_ns = NS_PER_S};
    struct sigaction action = {.sa_handler = stop};
    int status = read_options(argc, argv, &top);
    if (status != OPTIONS_READ)
        return status;
    bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (!terminal && top.refreshes == 0 && !top.batch)
        top.refreshes = 1;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    top.ended = calloc((size_t)top.wanted_count + 1, sizeof *top.ended);
    if (!top.ended || !top_refresh(&top))
        return 1;
    status = top.batch || !terminal ? -1 : complain_of_missing(&top);
    if (status == 0)
        status = top_screen(&top);
    if (status < 0) {
        if (!top.batch && terminal && top.refreshes == 0)
            top.refreshes = 1;
        status = run_batch(&top);
    }
    free(top.shown);
    free(top.ended);
    watched_free(&top.list);
    return status;
}
