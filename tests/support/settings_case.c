// SPDX-License-Identifier: MIT
#include "settings_case.h"

#include <stdio.h>

struct settings_case settings_case;

void settings_case_complain(const char *line, void *context)
{
    (void)context;
    settings_case.complaints++;
    snprintf(settings_case.complaint, sizeof settings_case.complaint, "%s", line);
}

void settings_case_read(char *const *variables, bool secure)
{
    settings_case.complaints = 0;
    settings_case.complaint[0] = '\0';
    settings_read(&settings_case.settings, variables,
                  &(struct program_names){.executable = "engine"}, secure, settings_case_complain,
                  NULL);
}

void settings_case_read_one(const char *variable)
{
    char *variables[] = {(char *)variable, NULL};
    settings_case_read(variables, false);
}
