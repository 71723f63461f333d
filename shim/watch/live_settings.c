// SPDX-License-Identifier: MIT
#include "watch/live_settings.h"

#include <stdatomic.h>
#include <string.h>

#include "config/change.h"
#include "facts/mailbox.h"
#include "kernel/rights.h"
#include "process/life.h"
#include "report/reporter.h"
#include "watch/context.h"
#include "watch/seccomp.h"

/* Nobody touches it in a process of which nothing is asked. child: kept, mail names its process */
__attribute__((visibility("default"))) struct mailbox pipeshim_mailbox;
static struct mailbox *const mailbox = &pipeshim_mailbox;

static const struct live_effects *effects; /* child: constant */
static char text[MAILBOX_TEXT + 1];        /* a copy that nobody changes; child: scratch */

void live_settings_prepare(const struct live_effects *of)
{
    effects = of;
}

bool live_settings_drain(const char *fds, const char **why)
{
    *why = "a seccomp filter of the program forbids what the drainer needs";
    if (strcmp(fds, "off") != 0 && !seccomp_permits_draining())
        return false;
    *why = "no memory for the drainer's queue (RLIMIT_AS?)";
    return effects->drain(fds);
}

bool live_settings_drain_one(int fd, bool on, const char **why)
{
    *why = "a seccomp filter of the program forbids what the drainer needs; nothing was done";
    if (on && !seccomp_permits_draining())
        return false;
    *why = "no memory for the drainer's queue (RLIMIT_AS?); nothing was done";
    return effects->drain_one(fd, on);
}

/* Reads the lines; false: one of them is wrong, and *answer says why. */
static bool read_all(struct setting_change *changes, unsigned *count, struct text_buffer *answer)
{
    for (char *line = text; *line;) {
        size_t size = strcspn(line, "\n");
        char *next = line + size + (line[size] != '\0');
        line[size] = '\0';
        if (*count == CHANGES_LIMIT) {
            text_format(answer, "more than %d settings at once; nothing was changed\n",
                        CHANGES_LIMIT);
            return false;
        }
        if (size > 0 && !setting_change_read(line, &changes[(*count)++], answer))
            return false;
        line = next;
    }
    if (*count == 0)
        text_string(answer, "no setting was given; expected NAME=VALUE; nothing was changed\n");
    return *count > 0;
}

/* What may fail goes first. */
static bool begin_effects(const struct setting_change *changes, unsigned count,
                          struct text_buffer *answer)
{
    for (unsigned i = 0; i < count; i++) {
        const char *why;
        if (changes[i].id != SETTING_DRAIN || live_settings_drain(changes[i].text, &why))
            continue;
        text_format(answer, "PIPESHIM_DRAIN=%s: %s; nothing was changed\n", changes[i].text, why);
        return false;
    }
    return true;
}

static void describe(const struct setting_change *changes, unsigned count,
                     const char *const *before, struct text_buffer *answer)
{
    for (unsigned i = 0; i < count; i++)
        text_format(answer, "%s=%s (was %s)\n", setting_name(changes[i].id), changes[i].text,
                    before[i][0] ? before[i] : "not set");
}

static bool change_all(struct text_buffer *answer)
{
    struct setting_change changes[CHANGES_LIMIT];
    const char *before[CHANGES_LIMIT];
    unsigned count = 0;
    if (!read_all(changes, &count, answer) ||
        !settings_change_fits(&settings, changes, count, answer) ||
        !begin_effects(changes, count, answer))
        return false;
    for (unsigned i = 0; i < count; i++)
        before[i] = settings.text[changes[i].id];
    settings_change(&settings, changes, count);
    context_settings_changed();
    report_config(changes, count, before);
    describe(changes, count, before, answer);
    return true;
}

static bool take_request(uint64_t *request)
{
    *request = __atomic_load_n(&mailbox->request, __ATOMIC_ACQUIRE);
    if (*request == mailbox->answered || mailbox->pid != atomic_load(&life->pid))
        return false;
    memcpy(text, mailbox->text, MAILBOX_TEXT);
    text[MAILBOX_TEXT] = '\0';
    return __atomic_load_n(&mailbox->request, __ATOMIC_ACQUIRE) == *request;
}

void live_settings_look(void)
{
    struct text_buffer answer;
    uint64_t request;
    effects->look();
    if (!take_request(&request) || !rights_hold())
        return;
    text_init(&answer, mailbox->answer, sizeof mailbox->answer);
    mailbox->accepted = change_all(&answer);
    __atomic_store_n(&mailbox->answered, request, __ATOMIC_RELEASE);
}
