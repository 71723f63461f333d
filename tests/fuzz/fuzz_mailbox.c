// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are a mailbox (facts/mailbox.h): what another process asks for, which
// the watchdog reads and answers; and an answer, which `pipeshim set` shows.
//   make fuzz [FUZZ_SECONDS=60]
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "cli/set.h"
#include "facts/mailbox.h"
#include "process/life.h"
#include "report/reporter.h"
#include "report/summary.h"
#include "seeds.h"
#include "watch/live_settings.h"

extern struct mailbox pipeshim_mailbox;

static struct settings begun;
static FILE *out;
static char *shown;
static size_t length;

static const char *no_stacks(void)
{
    return "off: a test";
}

static unsigned no_loops(struct loop_statistics *to, unsigned limit)
{
    (void)to;
    (void)limit;
    return 0;
}

static unsigned no_rescues(struct drain_rescue *to, unsigned limit)
{
    (void)to;
    (void)limit;
    return 0;
}

static bool drain(const char *fds)
{
    return strlen(fds) % 2 == 0; /* there is no memory now and then */
}

static bool drain_one(int fd, bool on)
{
    return fd >= 0 || on;
}

static void look(void)
{
}

static struct look_totals no_looks(void)
{
    return (struct look_totals){0, 0, 0};
}

static const struct report_sources sources = {
    .cpu_stacks = no_stacks, .loops = no_loops, .rescues = no_rescues, .looks = no_looks};
static const struct live_effects effects = {.drain = drain, .drain_one = drain_one, .look = look};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const seeds[] = {
        "PIPESHIM_THRESHOLD=50ms\n",      "PIPESHIM_DRAIN=stderr\nPIPESHIM_RATE=1/s\n",
        "PIPESHIM_LOG=/tmp/x\n",          "PIPESHIM_DRAIN=2,3,\x1b[2J\n",
        "PIPESHIM_THRESHOLD=\nNAME\n=\n", "threshold=1s\n\n\nsummary=off",
    };
    static char log[32];
    static char *arguments[] = {(char *)"engine", NULL};
    static char *environment[] = {log, (char *)"PIPESHIM_FORMAT=json", NULL};
    (void)argc;
    (void)argv;
    for (unsigned i = 0; i < sizeof seeds / sizeof *seeds; i++)
        write_seed(i, seeds[i], strlen(seeds[i]));
    snprintf(log, sizeof log, "PIPESHIM_LOG=fd:%d", open("/dev/null", O_WRONLY | O_CLOEXEC));
    if (!report_read_settings(arguments, environment, false, &settings) ||
        !report_prepare(arguments, environment, &sources))
        return 1;
    begun = settings;
    atomic_store(&life->pid, getpid());
    live_settings_prepare(&effects);
    out = open_memstream(&shown, &length);
    return !out;
}

/* Lines, and no command for a terminal. */
static void check_shown(void)
{
    fflush(out);
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)shown[i] < ' ' && shown[i] != '\n') || shown[i] == 0x7f)
            abort();
    rewind(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mailbox answer;
    struct mailbox *mail = &pipeshim_mailbox;
    settings = begun;
    memset(mail->text, 0, sizeof mail->text);
    memcpy(mail->text, data, size < sizeof mail->text ? size : sizeof mail->text);
    mail->pid = getpid();
    mail->request = mail->answered + 1;
    live_settings_look();
    if (mail->answered != mail->request || !memchr(mail->answer, '\0', sizeof mail->answer) ||
        mail->answer[0] == '\0')
        abort(); /* left without an answer */
    if (!mail->accepted && memcmp(settings.number, begun.number, sizeof begun.number) != 0)
        abort(); /* refused, and done */
    answer = *mail;
    set_print_answer(&answer, out);
    check_shown();
    memset(answer.answer, 'x', sizeof answer.answer);
    memcpy(answer.answer, data, size < sizeof answer.answer ? size : sizeof answer.answer);
    set_print_answer(&answer, out);
    check_shown();
    return 0;
}
