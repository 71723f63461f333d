// SPDX-License-Identifier: MIT
/*
 * pipeshim diagnose: the options, and the loop of --watch.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/diagnose/output.h"
#include "cli/diagnose/scan.h"
#include "cli/diagnose/select.h"
#include "cli/options.h"
#include "cli/terminal_text.h"
#include "config/parse.h"

static const char name[] = "diagnose";

struct options {
    bool all, json, watch, stacks;
    int tree;         /* --tree: this process and its descendants; 0: not given */
    const char *name; /* --name: a glob; NULL */
    uint64_t interval_ns, timeout_ns;
    int *pids;
    unsigned pid_count;
};

static int print_help(void)
{
    puts(
        "usage: pipeshim diagnose [OPTIONS] PID...\n"
        "       pipeshim diagnose [OPTIONS] --tree PID | --name GLOB | --all\n"
        "\n"
        "Says what each thread of the processes waits for, how full their pipes are, who holds "
        "the\n"
        "other ends, names deadlocks, and shows the line of user code of each stuck thread. Reads\n"
        "/proc; the processes need no preparation and are not stopped, signalled or traced.\n"
        "\n"
        "  --all           all processes that may be read\n"
        "  --tree PID      PID and its descendants\n"
        "  --name GLOB     by name of the program, of its script, or of its thread group\n"
        "  --stacks        all frames, not the user's line alone\n"
        "  --json          one JSON object in one line\n"
        "  --watch         look again until something is stuck\n"
        "  --interval D    between two looks of --watch (1s)\n"
        "  --timeout D     end --watch after this time, with the last verdict\n"
        "  --help          this text\n"
        "  --version       the version\n"
        "\n"
        "Exit status: 0 nothing stuck, 1 stuck, 2 deadlock, 3 error, 4 what was asked for could\n"
        "not all be read, 64 wrong use. The verdict is about the processes asked for: deadlocks\n"
        "elsewhere are one line, 'nearby'.");
    return fflush(stdout) == 0 ? STATUS_CLEAR : STATUS_ERROR;
}

static int take_option(int option, void *context)
{
    struct options *options = context;
    switch (option) {
    case 'a':
        options->all = true;
        return OPTIONS_READ;
    case 'j':
        options->json = true;
        return OPTIONS_READ;
    case 's':
        options->stacks = true;
        return OPTIONS_READ;
    case 'w':
        options->watch = true;
        return OPTIONS_READ;
    case 't':
        return parse_pid(optarg, &options->tree) ? OPTIONS_READ
                                                 : usage_error(name, "'%s' is not a PID", optarg);
    case 'n':
        options->name = optarg;
        return OPTIONS_READ;
    case 'i':
        return parse_duration(optarg, &options->interval_ns) && options->interval_ns > 0
                   ? OPTIONS_READ
                   : usage_error(name, "--interval %s: expected a duration such as 500ms", optarg);
    default: /* 'o' */
        return parse_duration(optarg, &options->timeout_ns)
                   ? OPTIONS_READ
                   : usage_error(name, "--timeout %s: expected a duration such as 30s", optarg);
    }
}

/* OPTIONS_READ, or the status to exit with. */
static int parse_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"all", no_argument, NULL, 'a'},
        {"json", no_argument, NULL, 'j'},
        {"stacks", no_argument, NULL, 's'},
        {"watch", no_argument, NULL, 'w'},
        {"tree", required_argument, NULL, 't'},
        {"name", required_argument, NULL, 'n'},
        {"interval", required_argument, NULL, 'i'},
        {"timeout", required_argument, NULL, 'o'},
        OPTIONS_OF_ALL,
    };
    static const struct command_options reading = {name, ":h", known, print_help, take_option};
    options->interval_ns = NS_PER_S;
    int status = options_read(&reading, argc, argv, options);
    if (status != OPTIONS_READ)
        return status;
    unsigned ways = options->all + (options->tree != 0) + (options->name != NULL);
    if (ways > 1)
        return usage_error(name, "only one of --all, --tree and --name can be given");
    if (ways > 0 && optind < argc)
        return usage_error(name, "%s takes no PID", options->all ? "--all" : "this");
    if (ways == 0 && optind == argc)
        return usage_error(name, "a PID, --tree, --name or --all is missing");
    options->pids = calloc((size_t)(argc - optind) + 1, sizeof *options->pids);
    if (!options->pids)
        return STATUS_ERROR;
    for (; optind < argc; optind++) {
        if (!parse_pid(argv[optind], &options->pids[options->pid_count++]))
            return usage_error(name, "'%s' is not a PID", argv[optind]);
    }
    return OPTIONS_READ;
}

/* Who is asked for now: processes of a tree or a name come and go. False: nobody, or no memory. */
static bool choose_pids(struct diagnosis *diagnosis, struct options *options)
{
    if (options->all || (options->tree == 0 && !options->name))
        return true;
    free(options->pids);
    options->pids = options->name ? find_by_name(options->name, &options->pid_count)
                                  : find_tree(options->tree, &options->pid_count);
    diagnosis->pids = options->pids;
    diagnosis->pid_count = options->pid_count;
    return options->pids != NULL;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void pause_ns(uint64_t length)
{
    struct timespec left = {(time_t)(length / NS_PER_S), (long)(length % NS_PER_S)};
    nanosleep(&left, NULL);
}

/* That it still looks, and at what: a watcher that says nothing may as well have hung itself. */
static void print_sign_of_life(const struct diagnosis *diagnosis)
{
    char text[16];
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    strftime(text, sizeof text, "%H:%M:%S", &local);
    fprintf(stderr, "%s pipeshim diagnose: nothing stuck in %u process%s\n", text,
            diagnosis->pids ? diagnosis->found : diagnosis->graph.process_count,
            diagnosis->pids && diagnosis->found == 1 ? "" : "es");
}

/* With --watch: until something is stuck, the time is over, or nothing is left to watch. */
static int diagnose(struct diagnosis *diagnosis, struct options *options)
{
    uint64_t end = options->timeout_ns ? now_ns() + options->timeout_ns : UINT64_MAX;
    for (;;) {
        if (!choose_pids(diagnosis, options)) {
            fprintf(stderr, "pipeshim diagnose: no process %s %s\n",
                    options->name ? "is named" : "at the root of --tree",
                    options->name ? options->name : "");
            return STATUS_ERROR;
        }
        if (!diagnose_once(diagnosis)) {
            fprintf(stderr, "pipeshim diagnose: /proc cannot be read: %s\n", strerror(ENOENT));
            return STATUS_ERROR;
        }
        int status = diagnosis_status(diagnosis);
        bool nobody = !options->all && diagnosis->found == 0;
        if (!options->watch || nobody || diagnosis->finding_count > 0 || now_ns() >= end)
            return status;
        print_sign_of_life(diagnosis);
        pause_ns(options->interval_ns);
    }
}

/* As a terminal shows it best where there is one. The verdict first, then, on stderr, what could
 * not be looked at. */
static void print_text(const struct diagnosis *diagnosis, const struct options *options, FILE *to)
{
    const struct terminal terminal = terminal_of(fileno(to)), of_notes = terminal_of(STDERR_FILENO);
    char *text = NULL, *notes_text = NULL;
    size_t length = 0, notes_length = 0;
    struct text_style style = {.out = open_memstream(&text, &length), .stacks = options->stacks};
    FILE *notes = open_memstream(&notes_text, &notes_length);
    if (style.out && notes) {
        diagnosis_print_text(diagnosis, &style);
        diagnosis_print_notes(diagnosis, notes);
    } else {
        fprintf(stderr, "pipeshim diagnose: out of memory\n");
    }
    if (style.out && fclose(style.out) == 0)
        terminal_write(to, text, length, &terminal);
    fflush(to);
    if (notes && fclose(notes) == 0)
        terminal_write(stderr, notes_text, notes_length, &of_notes);
    free(text);
    free(notes_text);
}

int command_diagnose(int argc, char **argv)
{
    struct options options = {0};
    struct diagnosis diagnosis;
    int status = parse_options(argc, argv, &options);
    if (status != OPTIONS_READ) {
        free(options.pids);
        return status;
    }
    if (!diagnosis_start(&diagnosis, options.all ? NULL : options.pids, options.pid_count)) {
        fprintf(stderr, "pipeshim diagnose: out of memory\n");
        free(options.pids);
        return STATUS_ERROR;
    }
    status = diagnose(&diagnosis, &options);
    if (diagnosis.scans > 0 && diagnosis.graph.process_count > 0) {
        if (options.json)
            diagnosis_print_json(&diagnosis);
        else
            print_text(&diagnosis, &options, stdout);
    }
    diagnosis_end(&diagnosis);
    free(options.pids);
    return status;
}

void diagnose_tree(int pid)
{
    struct options options = {.tree = pid, .stacks = true};
    struct diagnosis diagnosis;
    if (!diagnosis_start(&diagnosis, NULL, 0))
        return;
    if (choose_pids(&diagnosis, &options) && diagnose_once(&diagnosis))
        print_text(&diagnosis, &options, stderr);
    diagnosis_end(&diagnosis);
    free(options.pids);
}

void diagnose_to(int pid, FILE *out)
{
    struct diagnosis diagnosis;
    struct text_style style = {.out = out, .stacks = true};
    if (!diagnosis_start(&diagnosis, &pid, 1))
        return;
    if (diagnose_once(&diagnosis)) {
        diagnosis_print_text(&diagnosis, &style);
        diagnosis_print_notes(&diagnosis, out);
    }
    diagnosis_end(&diagnosis);
}
