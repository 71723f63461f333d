// SPDX-License-Identifier: MIT
/*
 * pipeshim diagnose: the options, and the loop of --watch.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/diagnose/look.h"
#include "cli/diagnose/output.h"

static const char name[] = "diagnose";

struct options {
    bool all, json, watch;
    int *pids;
    unsigned pid_count;
};

static int print_help(void)
{
    puts("usage: pipeshim diagnose [--json] [--watch] PID...\n"
         "       pipeshim diagnose [--json] [--watch] --all\n"
         "\n"
         "Says what each thread of the processes waits for, how full their pipes are, who holds "
         "the\n"
         "other ends, and names deadlocks. Reads /proc; the processes need no preparation and are\n"
         "not stopped, signalled or traced.\n"
         "\n"
         "  --all      all processes that may be read\n"
         "  --json     one JSON object in one line\n"
         "  --watch    look again every second until something is stuck\n"
         "  --help     this text\n"
         "  --version  the version\n"
         "\n"
         "Exit status: 0 nothing stuck, 1 stuck, 2 deadlock, 3 error, 64 wrong use.");
    return fflush(stdout) == 0 ? STATUS_CLEAR : STATUS_ERROR;
}

/* False when it is not a process id. */
static bool parse_pid(const char *argument, int *pid)
{
    char *end;
    errno = 0;
    long value = strtol(argument, &end, 10);
    if (errno != 0 || *end != '\0' || end == argument || value < 1 || value > INT_MAX)
        return false;
    *pid = (int)value;
    return true;
}

/* -1: go on; else the status to exit with. */
static int parse_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"all", no_argument, NULL, 'a'},     {"json", no_argument, NULL, 'j'},
        {"watch", no_argument, NULL, 'w'},   {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'}, {NULL, 0, NULL, 0},
    };
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":h", known, NULL)) != -1;) {
        switch (option) {
        case 'a':
            options->all = true;
            break;
        case 'j':
            options->json = true;
            break;
        case 'w':
            options->watch = true;
            break;
        case 'h':
            return print_help();
        case 'v':
            return print_version();
        default:
            return option_error(name, option, argv);
        }
    }
    if (options->all != (optind == argc))
        return usage_error(name, options->all ? "--all takes no PID" : "a PID or --all is missing");
    options->pids = calloc((size_t)(argc - optind) + 1, sizeof *options->pids);
    if (!options->pids)
        return STATUS_ERROR;
    for (; optind < argc; optind++) {
        if (!parse_pid(argv[optind], &options->pids[options->pid_count++]))
            return usage_error(name, "'%s' is not a PID", argv[optind]);
    }
    return -1;
}

/* With --watch: until something is stuck, or nothing is left to watch. */
static int diagnose(struct diagnosis *diagnosis, const struct options *options)
{
    for (;;) {
        if (!diagnose_once(diagnosis)) {
            fprintf(stderr, "pipeshim diagnose: /proc cannot be read: %s\n", strerror(ENOENT));
            return STATUS_ERROR;
        }
        int status = diagnosis_status(diagnosis);
        bool nobody = !options->all && diagnosis->found == 0;
        if (!options->watch || nobody || diagnosis->finding_count > 0)
            return status;
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
}

int command_diagnose(int argc, char **argv)
{
    struct options options = {0};
    struct diagnosis diagnosis;
    int status = parse_options(argc, argv, &options);
    if (status >= 0) {
        free(options.pids);
        return status;
    }
    if (!diagnosis_start(&diagnosis, options.all ? NULL : options.pids, options.pid_count)) {
        fprintf(stderr, "pipeshim diagnose: out of memory\n");
        free(options.pids);
        return STATUS_ERROR;
    }
    status = diagnose(&diagnosis, &options);
    if (diagnosis.looks > 0 && diagnosis.graph.process_count > 0) {
        if (options.json)
            diagnosis_print_json(&diagnosis);
        else
            diagnosis_print_text(&diagnosis);
    }
    diagnosis_end(&diagnosis);
    free(options.pids);
    return status;
}
