// SPDX-License-Identifier: MIT
#include "cli/run_environment.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"

static const char LIBRARY[] = "libpipeshim.so";

#if defined(__x86_64__)
#define TRIPLET "x86_64-linux-gnu"
#elif defined(__aarch64__)
#define TRIPLET "aarch64-linux-gnu"
#endif

/* Beside the executable in a build folder; where it is installed in ../lib, or where distributions
 * keep the private libraries of a program (Debian, Fedora). */
static char *find_library(void)
{
    static const char *const places[] = {"", "../lib/", ("../lib/" TRIPLET "/pipeshim/"),
                                         "../lib64/pipeshim/", "../lib64/"};
    char executable[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", executable, sizeof executable - 1);
    if (length <= 0)
        return NULL;
    executable[length] = '\0';
    *(strrchr(executable, '/') + 1) = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char path[PATH_MAX + sizeof LIBRARY + 16];
        snprintf(path, sizeof path, "%s%s%s", executable, places[i], LIBRARY);
        char *found = realpath(path, NULL);
        if (found)
            return found;
    }
    return NULL;
}

static int set_preload(const char *library)
{
    const char *before = getenv("LD_PRELOAD");
    char *value = NULL;
    /* The loader of glibc splits at both, and knows no way to quote them. */
    if (strpbrk(library, " :")) {
        fprintf(stderr, "pipeshim run: LD_PRELOAD cannot hold '%s': it has a blank or a colon\n",
                library);
        return EXIT_UNAVAILABLE;
    }
    if (before && *before ? asprintf(&value, "%s:%s", library, before) < 0
                          : asprintf(&value, "%s", library) < 0)
        return EXIT_UNAVAILABLE;
    int failed = setenv("LD_PRELOAD", value, 1);
    free(value);
    return failed ? EXIT_UNAVAILABLE : 0;
}

char *run_environment_library(const char *given)
{
    return given ? realpath(given, NULL) : find_library();
}

int run_environment_preload(const char *given)
{
    char *library = run_environment_library(given);
    if (!library) {
        if (given)
            fprintf(stderr, "pipeshim run: %s: no such library\n", given);
        else
            fprintf(stderr,
                    "pipeshim run: %s is neither beside this program nor in ../lib from there; "
                    "give its path with --library\n",
                    LIBRARY);
        return EXIT_UNAVAILABLE;
    }
    int status = set_preload(library);
    free(library);
    return status;
}
