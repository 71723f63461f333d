// SPDX-License-Identifier: MIT
/*
 * pipeshim doctor: does the library load, see and report here; if not, which condition fails and
 * how to mend it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/doctor/conditions.h"
#include "cli/doctor/probe.h"
#include "cli/options.h"
#include "cli/run_environment.h"

static const char name[] = "doctor";

struct options {
    bool json;
    const char *library;
    int pid;             /* 0: none */
    const char *command; /* NULL: none */
};

static int print_help(void)
{
    puts("usage: pipeshim doctor [--json] [--library PATH] [PID | -- CMD]\n"
         "\n"
         "Proves with a program that is really stuck on a pipe that the library loads, sees and\n"
         "reports on this machine; or names each condition that is not met, and how to mend it.\n"
         "\n"
         "  PID             also: has this process loaded the library, is it active, where does "
         "it log\n"
         "  -- CMD          also: can this program load it (its loader is asked; CMD is not run)\n"
         "  --json          one JSON object in one line\n"
         "  --library PATH  of libpipeshim.so; else beside this program, or where it is installed\n"
         "  --help          this text\n"
         "  --version       the version\n"
         "\n"
         "PIPESHIM_ variables are checked as they are set here, or in the process.\n"
         "Exit status: 0 all is well, 1 a condition is not met, 64 wrong use.");
    return fflush(stdout) == 0 ? 0 : 1;
}

static int take_option(int option, void *context)
{
    struct options *options = context;
    if (option == 'j')
        options->json = true;
    else
        options->library = optarg;
    return OPTIONS_READ;
}

/* OPTIONS_READ, or the status to exit with. */
static int parse_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"json", no_argument, NULL, 'j'},
        {"library", required_argument, NULL, 'l'},
        OPTIONS_OF_ALL,
    };
    static const struct command_options reading = {name, "+:h", known, print_help, take_option};
    int status = options_read(&reading, argc, argv, options);
    if (status != OPTIONS_READ)
        return status;
    bool command = optind > 1 && strcmp(argv[optind - 1], "--") == 0;
    if (command && optind == argc)
        return usage_error(name, "CMD is missing after --");
    if (command) {
        options->command = argv[optind];
        return OPTIONS_READ;
    }
    if (optind < argc && !parse_pid(argv[optind], &options->pid))
        return usage_error(name, "'%s' is not a PID; a command comes after --", argv[optind]);
    if (argc - optind > 1)
        return usage_error(name, "one PID at a time");
    return OPTIONS_READ;
}

int command_doctor(int argc, char **argv)
{
    struct options options = {0};
    struct results results = {0};
    int status = parse_options(argc, argv, &options);
    if (status != OPTIONS_READ)
        return status;
    char *library = run_environment_library(options.library);
    check_machine(&results);
    if (library) {
        check_library(&results, library);
        probe_run(&results, library);
    } else {
        results_add(&results, VERDICT_FAIL, "library", "install it, or name it with --library",
                    "libpipeshim.so was not found%s%s", options.library ? " at " : "",
                    options.library ? options.library : "");
    }
    if (options.pid != 0)
        check_process(&results, options.pid);
    else if (options.command && library)
        check_command(&results, options.command, library);
    else
        check_settings(&results, environ, NULL, "");
    bool printed = options.json ? results_print_json(&results) : results_print_text(&results);
    status = printed && results_failed(&results) == 0 ? 0 : 1;
    results_free(&results);
    free(library);
    return status;
}
