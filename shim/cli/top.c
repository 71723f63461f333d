// SPDX-License-Identifier: MIT
/* pipeshim top: a live view of every process that runs the library, worst first. */
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/status/view.h"
#include "config/parse.h"

struct top {
    char **wanted; /* pids and globs */
    int wanted_count;
    bool batch, json;
    uint64_t refreshes;   /* 0: until it is stopped */
    uint64_t interval_ns; /* between two */
    struct watched_list list;
    struct watched **shown; /* those that are wanted, worst first */
    size_t shown_count;
};

enum { HEAD_LINES = 2 };

static volatile sig_atomic_t stopped; /* by SIGINT or SIGTERM */

static int print_help(void)
{
    puts("usage: pipeshim top [OPTIONS] [PID|GLOB]...\n"
         "\n"
         "Shows every process that runs the library, worst first: deadlocks, waits that cannot "
         "end,\n"
         "blocked calls, late event loops. Reads their status pages; nothing is started in them.\n"
         "\n"
         "  -b, --batch              plain text, one table a refresh\n"
         "  -n, --count N            end after N refreshes (not on a terminal: 1)\n"
         "  --json                   one JSON object a refresh\n"
         "  --interval D             between two refreshes (1s)\n"
         "  --help, --version\n"
         "\n"
         "On a terminal: q quits, space pauses, j and k (or the arrows) scroll.\n"
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

static bool refresh(struct top *top)
{
    if (!watched_refresh(&top->list, NULL)) {
        fprintf(stderr, "pipeshim top: /proc cannot be read: %s\n", strerror(errno));
        return false;
    }
    free(top->shown);
    top->shown_count = 0;
    top->shown = calloc(top->list.count + 1, sizeof(struct watched *));
    if (!top->shown) {
        fputs("pipeshim top: out of memory\n", stderr);
        return false;
    }
    for (size_t i = 0; i < top->list.count; i++)
        if (top->list.processes[i]->found == PAGE_READ && is_wanted(top, top->list.processes[i]))
            top->shown[top->shown_count++] = top->list.processes[i];
    view_sort(top->shown, top->shown_count, top->list.now_ns);
    return true;
}

static bool is_shown(const struct top *top, int pid)
{
    for (size_t i = 0; i < top->shown_count; i++)
        if (top->shown[i]->pid == pid)
            return true;
    return false;
}

/* Why a process that was asked for is not shown. */
static int complain_of_missing(const struct top *top)
{
    static const char *const why[] = {
        [PAGE_READ] = "cannot be read",
        [PAGE_NO_LIBRARY] = "does not run the library",
        [PAGE_NOT_BEGUN] = "is not watched",
        [PAGE_NOT_PERMITTED] = "may not be read (be root, its user or its ancestor)",
        [PAGE_OTHER_VERSION] = "runs another version of the library",
        [PAGE_GONE] = "does not exist",
        [PAGE_TORN] = "could not be read: its page was being written each time",
    };
    int status = 0;
    for (int i = 0; i < top->wanted_count; i++) {
        int pid = is_pid(top->wanted[i]) ? (int)strtol(top->wanted[i], NULL, 10) : 0;
        uintptr_t address;
        if (pid == 0 || is_shown(top, pid))
            continue;
        fprintf(stderr, "pipeshim top: process %d %s\n", pid, why[page_find(pid, &address)]);
        status = 1;
    }
    return status;
}

static void print_json(const struct top *top)
{
    json_t *object = view_json(&top->list, top->shown, top->shown_count);
    json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
    putchar('\n');
    json_decref(object);
}

static void stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
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
    for (uint64_t count = 0; !stopped && (top->refreshes == 0 || count < top->refreshes); count++) {
        if (count > 0)
            wait_for_next(top);
        if (stopped)
            break;
        if (!refresh(top))
            return 1;
        if (count == 0)
            status = complain_of_missing(top);
        if (top->json)
            print_json(top);
        else
            view_table(stdout, &top->list, top->shown, top->shown_count, 0, 0, false);
        if (fflush(stdout) != 0)
            return 1;
    }
    return status;
}

static struct termios before;

static bool enter_screen(void)
{
    struct termios raw;
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return false;
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    fputs("\033[?1049h\033[?25l", stdout);
    return true;
}

static void leave_screen(void)
{
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static void draw(const struct top *top, size_t first, bool paused, bool colour)
{
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    unsigned rows = size.ws_row > HEAD_LINES + 2 ? size.ws_row - HEAD_LINES - 2U : 1;
    fputs("\033[H\033[2J", stdout);
    view_table(stdout, &top->list, top->shown + first, top->shown_count - first, rows, size.ws_col,
               colour);
    printf("\033[%u;1H%.*s", size.ws_row, size.ws_col,
           paused ? "paused: space goes on, q quits" : "q quits, space pauses, j k scroll");
    fflush(stdout);
}

/* The key that was pressed until `milliseconds` are over; 0: none, or the window has changed. */
static int read_key(int milliseconds)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char keys[8];
    if (poll(&input, 1, milliseconds) <= 0)
        return 0;
    ssize_t size = read(STDIN_FILENO, keys, sizeof keys);
    if (size <= 0)
        return 'q';
    if (size >= 3 && keys[0] == '\033' && keys[1] == '[')
        return keys[2] == 'A' ? 'k' : keys[2] == 'B' ? 'j' : 0;
    return keys[0];
}

static void window_changed(int signal_number)
{
    (void)signal_number; /* poll() returns, and the next picture has the new size */
}

static int run_screen(struct top *top)
{
    const char *no_colour = getenv("NO_COLOR");
    bool colour = !no_colour || !*no_colour;
    bool paused = false;
    size_t first = 0;
    uint64_t count = 0;
    if (!refresh(top))
        return 1;
    int status = complain_of_missing(top);
    if (status != 0 || !enter_screen())
        return 1;
    signal(SIGWINCH, window_changed);
    while (!stopped) {
        if (first >= top->shown_count)
            first = 0;
        draw(top, first, paused, colour);
        int key = read_key((int)(top->interval_ns / NS_PER_MS));
        if (key == 'q' || (!paused && top->refreshes && ++count >= top->refreshes))
            break;
        paused ^= key == ' ';
        if (key == 'j' && first + 1 < top->shown_count)
            first++;
        if (key == 'k' && first > 0)
            first--;
        if (!paused && !refresh(top)) {
            status = 1;
            break;
        }
    }
    leave_screen();
    return status;
}

static bool read_options(int argc, char **argv, struct top *top, int *status)
{
    enum { OPTION_JSON = 1000, OPTION_INTERVAL, OPTION_VERSION };
    static const struct option options[] = {{"batch", no_argument, NULL, 'b'},
                                            {"count", required_argument, NULL, 'n'},
                                            {"json", no_argument, NULL, OPTION_JSON},
                                            {"interval", required_argument, NULL, OPTION_INTERVAL},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, OPTION_VERSION},
                                            {0}};
    bool wrong = false;
    opterr = 0;
    for (int c; !wrong && (c = getopt_long(argc, argv, ":bn:h", options, NULL)) != -1;) {
        switch (c) {
        case 'b':
            top->batch = true;
            break;
        case OPTION_JSON:
            top->batch = top->json = true;
            break;
        case 'n':
            wrong = !parse_number(optarg, &top->refreshes) || top->refreshes == 0;
            if (wrong)
                *status = usage_error("top", "-n %s: expected a number from 1", optarg);
            break;
        case OPTION_INTERVAL:
            wrong = !parse_duration(optarg, &top->interval_ns) ||
                    top->interval_ns < 10 * (uint64_t)NS_PER_MS;
            if (wrong)
                *status =
                    usage_error("top", "--interval %s: expected a duration from 10ms", optarg);
            break;
        default:
            wrong = true;
            *status = c == 'h'              ? print_help()
                      : c == OPTION_VERSION ? print_version()
                                            : option_error("top", c, argv);
        }
    }
    top->wanted = argv + optind;
    top->wanted_count = argc - optind;
    return !wrong;
}

int command_top(int argc, char **argv)
{
    struct top top = {.interval_ns = NS_PER_S};
    struct sigaction action = {.sa_handler = stop};
    int status = 0;
    if (!read_options(argc, argv, &top, &status))
        return status;
    bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (!terminal && top.refreshes == 0 && !top.batch)
        top.refreshes = 1;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    status = top.batch || !terminal ? run_batch(&top) : run_screen(&top);
    free(top.shown);
    watched_free(&top.list);
    return status;
}
