// SPDX-License-Identifier: MIT
/*
 * Keeps the page `pipeshim_status` (facts/status_page.h). Stores into memory and nothing else: no
 * system call, no clock. Under the lock of report/, which makes it the one writer.
 */
#ifndef PIPESHIM_REPORT_STATUS_PAGE_H
#define PIPESHIM_REPORT_STATUS_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/drain_facts.h"
#include "facts/incident.h"
#include "facts/lag_facts.h"
#include "facts/status_page.h"
#include "graph/finding.h"
#include "report/summary.h"

/* The page: valid for ever, and written by the one that holds the lock. */
const struct status_page *status_page(void);

/* This process begins a page of its own. */
void status_page_begin(int pid, uint64_t now_ns);
/* Whose page it is: 0 nobody's; a forked child's is its parent's at first. */
int status_page_pid(void);

/* `seq`: of the event; 0: it was held back. */
void status_page_blocked(const struct incident *incident, uint64_t seq, uint64_t now_ns);
void status_page_unblocked(int tid, uint64_t blocked_ns);
void status_page_lag(int tid, uint64_t seq, uint64_t since_ns);
void status_page_lag_end(int tid, const struct lag_facts *facts);
/* The loop that has been away for longest, NULL: none is. One may end while another lasts. */
void status_page_away(const struct lag_absence *absence);
/* `tid`: the thread of this process that waits because of it; 0: not known, and it is only counted,
 * as nobody could say when it is over. */
void status_page_finding(const struct wait_finding *finding, int tid, uint64_t now_ns);
/* One that was over, and was counted, holds again. */
void status_page_finding_again(const struct wait_finding *finding, int tid, uint64_t now_ns);
/* That thread's wait is over. */
void status_page_finding_over(int tid);
/* At each scan: what changes all the time. `summary`: NULL before the first report. */
void status_page_refresh(const struct summary *summary, uint64_t watchdog_cpu_ns, uint64_t now_ns);
void status_page_loops(const struct loop_statistics *loops, unsigned count);
void status_page_streams(const struct status_stream streams[STATUS_STREAMS]);
/* `count` may be more than there is room for, of which the first are given. */
void status_page_drains(const struct status_drain *drains, unsigned count);

/* Runs on: watchdog; the exit. AS-safe: yes. Blocks: no. */
#endif
