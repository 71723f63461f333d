// SPDX-License-Identifier: MIT
#include "watch/look_budget.h"

#include <string.h>

#include "base/clock.h"

#define SAVED_NS ((uint64_t)LOOKS_SAVED_MS * NS_PER_MS * LOOKS_CPU_RATIO) /* of time */

/* Until then all that was spent is paid for; what lies further back than SAVED_NS is lost. In a
 * machine's first seconds the clock does not reach so far: a budget begins with what it does. */
static uint64_t paid_until;
static struct look_totals totals;

void look_budget_begin_in_child(void)
{
    paid_until = 0;
    memset(&totals, 0, sizeof totals);
}

uint64_t look_budget_due(uint64_t now)
{
    return paid_until > now ? paid_until : now;
}

void look_budget_spend(uint64_t now, uint64_t cpu_ns)
{
    uint64_t saved_since = now > SAVED_NS ? now - SAVED_NS : 0;
    if (paid_until < saved_since)
        paid_until = saved_since;
    paid_until += cpu_ns * LOOKS_CPU_RATIO;
    totals.count++;
    totals.cpu_ns += cpu_ns;
    if (totals.longest_ns < cpu_ns)
        totals.longest_ns = cpu_ns;
}

struct look_totals look_budget_totals(void)
{
    return totals;
}
