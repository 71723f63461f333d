// SPDX-License-Identifier: MIT
#include "cli/run_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "config/parse.h"
#include "config/settings.h"

/* An option without a value sets the variable to `fixed`. */
static const struct variable {
    const char *option;
    const char *name;
    const char *fixed;
    const char *value; /* in the help */
    const char *what;
} variables[] = {
    {"off", "PIPESHIM", "off", "", "load the library but leave it inert"},
    {"preset", "PIPESHIM_PRESET", NULL, "P", "other defaults: dev, ci or canary"},
    {"threshold", "PIPESHIM_THRESHOLD", NULL, "D", "report a call that blocked this long (100ms)"},
    {"pipe-threshold", "PIPESHIM_PIPE_THRESHOLD", NULL, "D", "the same for pipes"},
    {"loop-threshold", "PIPESHIM_LOOP_THRESHOLD", NULL, "D", "for event loops"},
    {"wait-threshold", "PIPESHIM_WAIT_THRESHOLD", NULL, "D", "for waits for children"},
    {"net-threshold", "PIPESHIM_NET_THRESHOLD", NULL, "D", "for the network"},
    {"log", "PIPESHIM_LOG", NULL, "PATH", "write reports there: %p pid, %e program, %h host"},
    {"json", "PIPESHIM_FORMAT", "json", "", "reports as JSON Lines"},
    {"format", "PIPESHIM_FORMAT", NULL, "F", "text or json"},
    {"loop", "PIPESHIM_LOOP", NULL, "L", "threads that are event loops: auto, main, none, names"},
    {"stack", "PIPESHIM_STACK", NULL, "on|off", "native stacks"},
    {"stack-depth", "PIPESHIM_STACK_DEPTH", NULL, "N", "frames of a stack (64)"},
    {"stack-format", "PIPESHIM_STACK_FORMAT", NULL, "F", "full, or compact: records below 4 KiB"},
    {"python", "PIPESHIM_PYTHON", NULL, "on|off", "frames of CPython"},
    {"javascript", "PIPESHIM_JAVASCRIPT", NULL, "on|off", "frames of Node.js"},
    {"stdio", "PIPESHIM_STDIO", NULL, "on|off", "see stdio through libc's FILE tables"},
    {"seccomp", "PIPESHIM_SECCOMP", NULL, "M", "auto, trust or off: under an inherited filter"},
    {"only", "PIPESHIM_ONLY", NULL, "GLOBS", "watch only these programs"},
    {"skip", "PIPESHIM_SKIP", NULL, "GLOBS", "do not watch these programs"},
    {"suppress", "PIPESHIM_SUPPRESS", NULL, "FILE", "rules of what not to report"},
    {"rate", "PIPESHIM_RATE", NULL, "N/s", "reports a second (10/s)"},
    {"repeat", "PIPESHIM_REPEAT", NULL, "D", "show a known stack in full again after this (60s)"},
    {"drain", "PIPESHIM_DRAIN", NULL, "FDS", "queue writes to full pipes: stderr, stdio, all, 1,2"},
    {"drain-mode", "PIPESHIM_DRAIN_MODE", NULL, "M", "full or behind"},
    {"drain-max", "PIPESHIM_DRAIN_MAX", NULL, "SIZE", "bound of the queue (64M)"},
    {"drain-overflow", "PIPESHIM_DRAIN_OVERFLOW", NULL, "P", "block, drop-new or drop-old"},
    {"drain-exit", "PIPESHIM_DRAIN_EXIT", NULL, "D", "how long an exit waits for the queue (5s)"},
    {"drain-spool", "PIPESHIM_DRAIN_SPOOL", NULL, "PATH",
     "what nobody reads at the exit goes there"},
    {"grow", "PIPESHIM_GROW", NULL, "SIZE", "grow a full pipe up to this first"},
    {"fill-warn", "PIPESHIM_FILL_WARN", NULL, "P%", "warn of a pipe this full (75%)"},
    {"action", "PIPESHIM_ACTION", NULL, "A",
     "on a long stall: log, abort, term, stop, drain, exec:COMMAND"},
    {"action-after", "PIPESHIM_ACTION_AFTER", NULL, "D", "what a long stall is (30s)"},
    {"action-on", "PIPESHIM_ACTION_ON", NULL, "LIST",
     "which events: deadlock, blocked, lag, findings"},
    {"action-limit", "PIPESHIM_ACTION_LIMIT", NULL, "D", "how long exec:COMMAND may take (30s)"},
    {"action-max", "PIPESHIM_ACTION_MAX", NULL, "N", "actions in the life of a process (1)"},
    {"metrics", "PIPESHIM_METRICS", NULL, "PATH", "write metrics there (.prom or OpenMetrics)"},
    {"metrics-every", "PIPESHIM_METRICS_EVERY", NULL, "D", "how often (15s)"},
    {"metrics-labels", "PIPESHIM_METRICS_LABELS", NULL, "LIST", "labels to add: service=api,pod=x"},
    {"summary", "PIPESHIM_SUMMARY", NULL, "on|off|always", "the summary at the end"},
};

enum {
    VARIABLE_COUNT = sizeof variables / sizeof *variables,
    OPTION_VARIABLE = 1000, /* + index */
    OPTION_LIBRARY = 2000,
    OPTION_FAIL_ON,
    OPTION_TIMEOUT,
};

static int print_help(void)
{
    puts(
        "usage: pipeshim run [OPTIONS] [--] CMD ARGS\n"
        "\n"
        "Runs CMD with the library preloaded. Calls that hang are reported on stderr while they\n"
        "hang, a summary comes last. Signals, terminal and exit status pass through.\n"
        "\n"
        "Each option sets the variable beside it for CMD; D is a duration like 250us, 50ms, 2s.\n");
    for (size_t i = 0; i < VARIABLE_COUNT; i++) {
        char option[40];
        snprintf(option, sizeof option, "--%s %s", variables[i].option, variables[i].value);
        printf("  %-24s %-25s %s\n", option, variables[i].name, variables[i].what);
    }
    puts(
        "  --fail-on LIST           status 86 if one of these happened although CMD ended with 0:\n"
        "                           deadlock, finding, a finding's name, blocked>5s, lag>1s, drop\n"
        "  --timeout D              then diagnose with stacks, SIGTERM, SIGKILL, status 124");
    puts("  --library PATH           of libpipeshim.so; else beside this program, or in ../lib\n"
         "  --help, --version\n"
         "\n"
         "Exit status: that of CMD; 86 by --fail-on, 124 by --timeout; 126 CMD cannot be run, 127 "
         "it\n"
         "does not exist; 64 wrong use, a wrong value, or a log that cannot be opened (nothing is\n"
         "started), 69 libpipeshim.so is missing. If a signal ends CMD, the same signal ends "
         "pipeshim.");
    return fflush(stdout) == 0 ? 0 : 1;
}

static const struct option others[] = {
    {"library", required_argument, NULL, OPTION_LIBRARY},
    {"fail-on", required_argument, NULL, OPTION_FAIL_ON},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    OPTIONS_OF_ALL,
};

static void make_table(struct option *options)
{
    for (int i = 0; i < VARIABLE_COUNT; i++)
        options[i] = (struct option){variables[i].option,
                                     variables[i].fixed ? no_argument : required_argument, NULL,
                                     OPTION_VARIABLE + i};
    memcpy(options + VARIABLE_COUNT, others, sizeof others);
}

static int set_variable(const struct variable *variable, const char *value)
{
    if (setenv(variable->name, variable->fixed ? variable->fixed : value, 1) == 0)
        return OPTIONS_READ;
    perror("pipeshim run: setenv");
    return EXIT_UNAVAILABLE;
}

static int take_option(int option, void *context)
{
    struct run_options *options = context;
    char wrong[64];
    switch (option) {
    case OPTION_LIBRARY:
        options->library = optarg;
        return OPTIONS_READ;
    case OPTION_FAIL_ON:
        return run_verdict_parse(optarg, &options->verdict, wrong)
                   ? OPTIONS_READ
                   : usage_error("run",
                                 "--fail-on: '%s' is not one of deadlock, finding, a finding's "
                                 "name, blocked, lag, filling, rescued, drop, some with >5s",
                                 wrong);
    case OPTION_TIMEOUT:
        return parse_duration(optarg, &options->timeout_ns) && options->timeout_ns > 0
                   ? OPTIONS_READ
                   : usage_error("run", "--timeout %s: expected a duration such as 30s or 500ms",
                                 optarg);
    default:
        return set_variable(&variables[option - OPTION_VARIABLE], optarg);
    }
}

static void ignore_complaint(const char *line, void *context)
{
    (void)line;
    (void)context;
}

/* What a preset says of the log concerns this program as well: as if it had been asked for. */
static bool take_preset(int *status)
{
    static const enum setting_id concern_us[] = {SETTING_LOG, SETTING_FORMAT};
    static struct settings settings;
    settings_read(&settings, environ, &(struct program_names){0}, false, ignore_complaint, NULL);
    if (!settings.given[SETTING_PRESET])
        return true;
    for (size_t i = 0; i < sizeof concern_us / sizeof *concern_us; i++) {
        enum setting_id id = concern_us[i];
        if (settings.given[id] && setenv(setting_name(id), settings.text[id], 0) != 0) {
            perror("pipeshim run: setenv");
            *status = EXIT_UNAVAILABLE;
            return false;
        }
    }
    return true;
}

bool run_options_parse(int argc, char **argv, struct run_options *options, int *status)
{
    struct option table[VARIABLE_COUNT + sizeof others / sizeof *others];
    /* "+": the first argument that is no option is CMD; what follows belongs to it. */
    const struct command_options reading = {"run", "+:h", table, print_help, take_option};
    *options = (struct run_options){0};
    make_table(table);
    *status = options_read(&reading, argc, argv, options);
    if (*status != OPTIONS_READ)
        return false;
    if (optind == argc || !*argv[optind]) {
        *status = usage_error("run", "CMD is missing");
        return false;
    }
    options->command = argv + optind;
    if (!take_preset(status))
        return false;
    const char *format = getenv("PIPESHIM_FORMAT");
    options->json = format && strcmp(format, "json") == 0;
    return true;
}
