// SPDX-License-Identifier: MIT
/*
 * pipeshim set PID NAME=VALUE…: a request in the mailbox of a process's library
 * (facts/mailbox.h), and its answer. What is wrong in itself is not sent.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/set.h"
#include "cli/status/page_reader.h"
#include "cli/status/waker.h"
#include "config/change.h"
#include "facts/mailbox.h"
#include "kernel/memory_reader.h"
#include "kernel/status.h"

static const char name[] = "set";

enum { DONE = 0, REFUSED = 1, ERROR = 3 };
/* The watchdog is woken, or looks once in two seconds; a machine may be busy. One that cannot be
 * woken looks once a minute. */
enum { PATIENCE_MS = 5000, LONG_PATIENCE_MS = 65000, LOOK_EVERY_MS = 10 };

static int print_help(void)
{
    puts("usage: pipeshim set PID NAME=VALUE...\n"
         "\n"
         "Changes settings of a process that runs the library, while it runs: threshold=50ms,\n"
         "drain=stderr, action=exec:COMMAND. NAME is that of a variable, with or without\n"
         "PIPESHIM_; libpipeshim(7) says which ones can change. All are changed, or none. The\n"
         "process logs it as `config`; processes that it forks later have the same settings, what\n"
         "it executes has those of its environment.\n"
         "\n"
         "  --help, --version\n"
         "\n"
         "Exit status: 0 changed, or kept for a process that is quiet still; 1 refused, or no\n"
         "answer; 3 it cannot be asked; 64 wrong use.");
    return fflush(stdout) == 0 ? 0 : ERROR;
}

/* Each assignment a line. 0, or the status to exit with. */
static int make_text(char *const *assignments, struct mailbox *mail)
{
    char said[MAILBOX_ANSWER];
    struct text_buffer text, answer;
    struct setting_change change;
    text_init(&text, mail->text, sizeof mail->text);
    unsigned count = 0;
    for (; *assignments; assignments++) {
        text_init(&answer, said, sizeof said);
        if (strchr(*assignments, '\n') || ++count > CHANGES_LIMIT)
            return usage_error(name, "expected at most %d settings, each of one line",
                               CHANGES_LIMIT);
        if (!setting_change_read(*assignments, &change, &answer)) {
            fprintf(stderr, "pipeshim set: %s", said);
            return EXIT_USAGE;
        }
        text_format(&text, "%s\n", *assignments);
    }
    if (text.truncated)
        return usage_error(name, "expected at most %d bytes of settings", MAILBOX_TEXT - 1);
    return 0;
}

static int pid_inside(int pid)
{
    struct status_field field = {.name = "NSpid", .base = 10};
    return status_read(pid, 0, &field, 1) ? (int)field.value : pid;
}

static bool write_memory(int pid, uintptr_t address, const void *data, size_t size)
{
    struct iovec from = {(void *)data, size};
    struct iovec to = {(void *)address, size};
    return process_vm_writev(pid, &from, 1, &to, 1, 0) == (ssize_t)size;
}

/* The text goes first, and the number that makes it a request last. */
static bool send_request(int pid, uintptr_t address, struct mailbox *mail)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    mail->pid = pid_inside(pid);
    mail->request = (uint64_t)getpid() << 40 ^ (uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec;
    return write_memory(pid, address + offsetof(struct mailbox, pid), &mail->pid,
                        offsetof(struct mailbox, answered) - offsetof(struct mailbox, pid)) &&
           write_memory(pid, address, &mail->request, sizeof mail->request);
}

void set_print_answer(struct mailbox *mail, FILE *out)
{
    char shown[6 * MAILBOX_ANSWER];
    mail->answer[sizeof mail->answer - 1] = '\0';
    for (char *line = mail->answer; *line;) {
        struct text_buffer text;
        size_t size = strcspn(line, "\n");
        text_init(&text, shown, sizeof shown);
        text_printable_part(&text, line, size);
        fprintf(out, "%s%s\n", out == stderr ? "pipeshim set: " : "", shown);
        line += size + (line[size] != '\0');
    }
}

static int complain_of_page(int pid, enum page_state state)
{
    if (state == PAGE_GONE)
        fprintf(stderr, "pipeshim set: process %d not found\n", pid);
    else if (state == PAGE_NOT_PERMITTED)
        fprintf(stderr,
                "pipeshim set: process %d may not be written to: expected root, or its own user "
                "where Yama (kernel.yama.ptrace_scope) allows it; nothing was changed\n",
                pid);
    else
        fprintf(stderr,
                "pipeshim set: process %d does not run libpipeshim, or an older one; expected a "
                "process that was started with it; nothing was changed\n",
                pid);
    return ERROR;
}

/* Without a page there is no watchdog yet. */
static bool is_quiet(int pid)
{
    uintptr_t address;
    struct status_page page;
    return page_find(pid, &address) == PAGE_READ &&
           page_copy(pid, address, &page) == PAGE_NOT_BEGUN;
}

static int wait_for_answer(int pid, uintptr_t address, uint64_t request)
{
    struct mailbox mail;
    struct memory_reader memory = memory_reader_process(pid);
    struct timespec pause = {0, (long)LOOK_EVERY_MS * NS_PER_MS};
    struct waker waker = waker_open(pid, pid_inside(pid));
    int patience = waker.word ? PATIENCE_MS : LONG_PATIENCE_MS;
    for (int waited = 0; waited < patience; waited += LOOK_EVERY_MS) {
        waker_wake(&waker);
        if (waited == PATIENCE_MS)
            fprintf(
                stderr,
                "pipeshim set: the library's file of process %d was replaced; expected it where "
                "the process has it, to wake its watchdog: waiting for its next look, a minute "
                "at most\n",
                pid);
        if (!memory_read(&memory, address, &mail, sizeof mail)) {
            fprintf(stderr, "pipeshim set: process %d has ended\n", pid);
            return ERROR;
        }
        if (mail.answered == request) {
            set_print_answer(&mail, mail.accepted ? stdout : stderr);
            return mail.accepted ? DONE : REFUSED;
        }
        if (mail.request != request) {
            fprintf(stderr, "pipeshim set: another `pipeshim set` came before the answer\n");
            return REFUSED;
        }
        if (is_quiet(pid)) {
            printf("process %d is not watched yet: it has made no call that could block, or is "
                   "left out. It takes the change with the first one\n",
                   pid);
            return DONE;
        }
        nanosleep(&pause, NULL);
    }
    fprintf(stderr,
            "pipeshim set: process %d does not answer within %d s: it is stopped, or a seccomp "
            "filter has ended its watchdog; if it goes on it takes the change\n",
            pid, patience / 1000);
    return REFUSED;
}

int command_set(int argc, char **argv)
{
    static const struct option known[] = {OPTIONS_OF_ALL};
    static const struct command_options reading = {name, "+:hv", known, print_help, NULL};
    static struct mailbox mail;
    uintptr_t address;
    int pid;
    optind = 1;
    int status = options_read(&reading, argc, argv, NULL);
    if (status != OPTIONS_READ)
        return status;
    if (optind == argc || !parse_pid(argv[optind], &pid))
        return usage_error(name, "expected the PID of a process%s%s", optind < argc ? ", not " : "",
                           optind < argc ? argv[optind] : "");
    if (optind + 1 == argc)
        return usage_error(name, "expected NAME=VALUE after the PID");
    status = make_text(argv + optind + 1, &mail);
    if (status != 0)
        return status;
    enum page_state state = page_find_symbol(pid, "pipeshim_mailbox", &address);
    if (state != PAGE_READ)
        return complain_of_page(pid, state);
    if (!send_request(pid, address, &mail))
        return complain_of_page(pid, errno == ESRCH ? PAGE_GONE : PAGE_NOT_PERMITTED);
    status = wait_for_answer(pid, address, mail.request);
    return fflush(stdout) == 0 ? status : ERROR;
}
