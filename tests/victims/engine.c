// SPDX-License-Identifier: MIT
/*
 * An engine that answers on stdout and logs with fprintf(stderr, …) under a parent that reads its
 * stdout and never its stderr: the shape in which LLM engines, MCP servers and ffmpeg hang.
 *
 *   engine [REQUESTS [LOG_BYTES]]
 *       Starts itself as the child, reads its answers until all have come or it is killed.
 *       Exit status 0: all answers came.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int log_bytes = 1024;
static char padding[16384];

/* One line of exactly log_bytes. */
static void log_request(int request)
{
    fprintf(stderr, "[engine] request %5d %.*s\n", request, log_bytes - 24, padding);
}

static void write_memory(int request)
{
    log_request(request);
    printf("answer %d\n", request);
    fflush(stdout);
}

static int serve(int requests)
{
    for (int request = 1; request <= requests; request++)
        write_memory(request);
    return 0;
}

int main(int argc, char **argv)
{
    int requests = argc > 1 ? atoi(argv[1]) : 2000;
    if (argc > 2)
        log_bytes = atoi(argv[2]);
    if (log_bytes < 24 || log_bytes > (int)sizeof padding)
        return 2;
    memset(padding, '.', sizeof padding - 1);
    if (argc > 3)
        return serve(requests);

    int out[2];
    int err[2];
    if (pipe(out) != 0 || pipe(err) != 0)
        return 2;
    pid_t child = fork();
    if (child == 0) {
        char count[16];
        char size[16];
        snprintf(count, sizeof count, "%d", requests);
        snprintf(size, sizeof size, "%d", log_bytes);
        dup2(out[1], 1);
        dup2(err[1], 2);
        close(out[0]);
        close(out[1]);
        close(err[0]);
        close(err[1]);
        char self[4096];
        ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
        self[length > 0 ? length : 0] = '\0';
        execl(self, "engine", count, size, "serve", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    close(err[1]);
    /* stderr's read end stays open, and nobody reads it. */
    FILE *answers = fdopen(out[0], "r");
    char line[128];
    int seen = 0;
    while (fgets(line, sizeof line, answers))
        seen++;
    int status = 0;
    waitpid(child, &status, 0);
    return seen == requests ? 0 : 1;
}
