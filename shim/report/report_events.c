// SPDX-License-Identifier: MIT
/* One function for each event: what it counts, whether it is held back, what it says. */
#include "base/clock.h"
#include "base/raw_syscall.h"
#include "drain/drain.h"
#include "kernel/task.h"
#include "report/recorder.h"
#include "report/reporter.h"
#include "report/status_page.h"

/* A call that goes on is reported again at ten times its threshold, then at each doubling, up to
 * once an hour. */
enum { STILL_AFTER_THRESHOLDS = 10 };
#define LONGEST_STILL_NS ((uint64_t)3600 * NS_PER_S)

/* An event that nothing holds back. */
static void report(struct event *event)
{
    recorder_introduce();
    recorder_counts()->reports++;
    recorder_write(event);
}

struct report_ref report_blocked(const struct incident *incident)
{
    struct report_ref ref = {.site = SITE_NONE};
    uint64_t now = clock_monotonic_ns();
    if (!recorder_lock())
        return (struct report_ref){.site = SITE_NONE, .deferred = true};
    ref.site = summary_blocked(recorder_counts(), incident);
    if (!recorder_holds_back(incident, now)) {
        struct event event = {
            .kind = EVENT_BLOCKED,
            .head = {.tid = incident->tid, .thread = incident->thread},
            .wait = {.incident = incident,
                     .advice = event_advice(incident),
                     .cured = !drain_enabled && event_drainer_cures(incident)},
        };
        recorder_introduce();
        event.wait.with_stack = recorder_shows_stack(incident, now);
        if (ref.site != SITE_NONE) {
            event.wait.repeat = recorder_counts()->sites[ref.site].count - 1;
            event.wait.repeat_ns = recorder_counts()->sites[ref.site].total_ns;
        }
        recorder_write(&event);
        ref.seq = event.head.seq;
        ref.repeat = event.wait.with_stack ? 0 : event.wait.repeat;
        ref.still_ns = STILL_AFTER_THRESHOLDS * incident->threshold_ns;
    }
    if (recorder_has_page())
        status_page_blocked(incident, ref.seq, now);
    recorder_unlock();
    return ref;
}

bool report_still(int tid, struct report_ref *ref, uint64_t blocked_ns)
{
    struct event event = {
        .kind = EVENT_STILL, .head.tid = tid, .end = {.ref = ref->seq, .blocked_ns = blocked_ns}};
    if (!recorder_lock())
        return false;
    recorder_write(&event);
    recorder_unlock();
    ref->repeat = 0;
    ref->still_ns = blocked_ns < LONGEST_STILL_NS ? blocked_ns * 2 : blocked_ns + LONGEST_STILL_NS;
    return true;
}

bool report_unblocked(int tid, const struct report_ref *ref, uint64_t blocked_ns)
{
    char thread[COMM_LIMIT + 1];
    if (!recorder_lock())
        return false;
    summary_returned(recorder_counts(), ref->site, blocked_ns);
    if (recorder_has_page())
        status_page_unblocked(tid, blocked_ns);
    if (ref->seq != 0) {
        task_name(tid, thread, sizeof thread);
        struct event event = {.kind = EVENT_UNBLOCKED,
                              .head = {.tid = tid, .thread = thread},
                              .end = {.ref = ref->seq,
                                      .blocked_ns = blocked_ns,
                                      .gone = thread[0] == '\0',
                                      .repeat = ref->repeat}};
        recorder_write(&event);
    }
    recorder_unlock();
    return true;
}

struct report_ref report_lag(const struct incident *incident, const struct lag_facts *facts)
{
    struct report_ref ref = {.site = SITE_NONE};
    uint64_t now = clock_monotonic_ns();
    if (!recorder_lock())
        return (struct report_ref){.site = SITE_NONE, .deferred = true};
    if (!recorder_holds_back(incident, now)) {
        struct event event = {
            .kind = EVENT_LAG,
            .head = {.tid = incident->tid, .thread = incident->thread},
            .wait = {.incident = incident, .lag = facts},
        };
        event.wait.with_stack = recorder_shows_stack(incident, now);
        report(&event);
        ref.seq = event.head.seq;
    }
    if (recorder_has_page())
        status_page_lag(incident->tid, ref.seq, now - facts->lag_ns);
    recorder_unlock();
    return ref;
}

bool report_lag_end(int tid, uint64_t ref, bool of_call, const struct lag_facts *facts)
{
    struct event event = {.kind = EVENT_LAG_END,
                          .head.tid = tid,
                          .end = {.ref = ref, .of_call = of_call, .lag = facts}};
    if (!recorder_lock())
        return false;
    if (recorder_has_page())
        status_page_lag_end(tid, facts);
    if (ref != 0)
        recorder_write(&event);
    recorder_unlock();
    return true;
}

void report_action(const char *action, uint64_t ref, const char *result, int tid)
{
    struct event event = {.kind = EVENT_ACTION,
                          .head.tid = tid,
                          .action = {.name = action, .result = result, .ref = ref}};
    if (!recorder_lock())
        return;
    report(&event);
    recorder_unlock();
}

bool report_config(const struct setting_change *changes, unsigned count, const char *const *before)
{
    struct event event = {.kind = EVENT_CONFIG,
                          .head.tid = (int)raw_syscall(SYS_getpid),
                          .config = {.count = count, .changes = changes, .before = before}};
    if (!recorder_lock())
        return false;
    recorder_settings_changed();
    report(&event);
    recorder_unlock();
    return true;
}

uint64_t report_finding(const struct wait_finding *finding, const struct member *members, int tid,
                        uint64_t blocked_ns)
{
    struct event event = {
        .kind = EVENT_FINDING,
        .graph = {.finding = finding, .members = members, .blocked_ns = blocked_ns}};
    if (!recorder_lock())
        return 0;
    recorder_introduce();
    recorder_write(&event);
    if (recorder_has_page())
        status_page_finding(finding, tid, clock_monotonic_ns());
    recorder_unlock();
    return event.head.seq;
}

enum { PAGE_PATIENCE_MS = 50 };

bool report_finding_over(int tid)
{
    if (!recorder_lock_within(PAGE_PATIENCE_MS))
        return false;
    if (recorder_has_page())
        status_page_finding_over(tid);
    recorder_unlock();
    return true;
}

bool report_finding_again(const struct wait_finding *finding, int tid)
{
    if (!recorder_lock_within(PAGE_PATIENCE_MS))
        return false;
    if (recorder_has_page())
        status_page_finding_again(finding, tid, clock_monotonic_ns());
    recorder_unlock();
    return true;
}

void report_filling(int fd, const struct object_facts *object, const struct fill_forecast *forecast)
{
    struct event event = {.kind = EVENT_FILLING,
                          .filling = {.fd = fd, .object = object, .forecast = *forecast}};
    if (!recorder_lock())
        return;
    if (recorder_take(clock_monotonic_ns()))
        report(&event);
    recorder_unlock();
}

bool report_drain(const struct drain_facts *facts, uint64_t *seq)
{
    struct event event = {.kind = EVENT_DRAIN, .drain = facts};
    if (!recorder_lock())
        return false;
    if (facts->ref || recorder_take(clock_monotonic_ns())) {
        recorder_introduce();
        recorder_counts()->reports += facts->ref == 0;
        recorder_write(&event);
    }
    recorder_unlock();
    *seq = event.head.seq;
    return true;
}

void report_drain_loss(enum drain_loss what, uint64_t bytes, uint64_t writes)
{
    struct event event = {.kind = EVENT_DRAIN_LOSS,
                          .loss = {.what = what, .bytes = bytes, .writes = writes}};
    if (!recorder_lock())
        return;
    report(&event);
    recorder_unlock();
}

void report_drain_wait(const struct drain_wait_facts *facts)
{
    struct event event = {.kind = EVENT_DRAIN_WAIT, .drain_wait = facts};
    if (!recorder_lock())
        return;
    report(&event);
    recorder_unlock();
}

void report_drain_spool(const struct drain_spool_facts *facts)
{
    struct event event = {.kind = EVENT_DRAIN_SPOOL, .drain_spool = facts};
    if (!recorder_lock())
        return;
    report(&event);
    recorder_unlock();
}
