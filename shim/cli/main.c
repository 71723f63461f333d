// SPDX-License-Identifier: MIT
/*
 * pipeshim COMMAND …: finds the command in the table and hands over.
 */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    const char *what;
    int (*function)(int argc, char **argv);
} commands[] = {
    {"run", "run a program with the library preloaded; print a summary at its end", command_run},
    {"diagnose", "say what processes wait for and name deadlocks; needs no preload",
     command_diagnose},
    {"rescue", "let a process go on that is stuck on a full pipe, without a restart",
     command_rescue},
    {"report", "turn JSON logs into text, flame graphs, traces or a web page", command_report},
    {"top", "show every process that runs the library, worst first", command_top},
    {"set", "change settings of a process while it runs", command_set},
    {"metrics", "one exporter for all processes that run the library", command_metrics},
    {"doctor", "prove that the library loads, sees and reports on this machine", command_doctor},
};

static int print_help(void)
{
    puts("usage: pipeshim COMMAND ARGUMENTS\n"
         "\n"
         "Names calls that hang on full pipes and other peers, while they hang.\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].what);
    puts("\npipeshim COMMAND --help says more. pipeshim --version prints the version.");
    return fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return usage_error("", "a command is missing");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_help();
    if (strcmp(argv[1], "--version") == 0)
        return print_version();
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].function(argc - 1, argv + 1);
    return usage_error("", "unknown %s '%s'", argv[1][0] == '-' ? "option" : "command", argv[1]);
}
