// SPDX-License-Identifier: MIT
#include "report/summary.h"

#include <stddef.h>
#include <string.h>

#include "base/text_buffer.h"
#include "explain/user_frame.h"

void summary_begin(struct summary *summary)
{
    /* The sites are cleared when they are taken: a forked child should not touch 160 KiB for them.
     */
    memset(summary, 0, offsetof(struct summary, sites));
}

const struct stack_frame_name *incident_program_frame(const struct incident *incident)
{
    static const char not_the_program[][16] = {"libpipeshim.so", "libc.so", "libstdc++.so",
                                               "[vdso]"};
    for (unsigned i = 0; i < incident->frame_count; i++) {
        const char *slash = strrchr(incident->frames[i].module, '/');
        const char *name = slash ? slash + 1 : incident->frames[i].module;
        bool own = name[0] != '\0';
        for (unsigned k = 0; own && k < sizeof not_the_program / sizeof *not_the_program; k++)
            own = strncmp(name, not_the_program[k], strlen(not_the_program[k])) != 0;
        if (own)
            return &incident->frames[i];
    }
    return NULL;
}

static void copy_text(char *to, size_t capacity, const char *from)
{
    struct text_buffer text;
    text_init(&text, to, capacity);
    text_string(&text, from);
}

static uint32_t new_site(struct summary *summary, const struct incident *incident)
{
    struct summary_site *site = &summary->sites[summary->site_count];
    const struct stack_frame_name *frame = incident_program_frame(incident);
    struct text_buffer where;
    memset(site, 0, sizeof *site);
    site->hash = incident->stack_hash;
    site->class = incident->class;
    copy_text(site->call, sizeof site->call, incident->call);
    copy_text(site->object, sizeof site->object, incident->object.name);
    text_init(&where, site->where, sizeof site->where);
    user_frame_words(&where, incident->python, incident->python_count, incident->javascript,
                     incident->javascript_count, NULL, 0);
    if (!site->where[0] && frame) {
        text_string(&where, frame->symbol);
    }
    return summary->site_count++;
}

uint32_t summary_blocked(struct summary *summary, const struct incident *incident)
{
    uint32_t at = 0;
    while (at < summary->site_count && (summary->sites[at].hash != incident->stack_hash ||
                                        strcmp(summary->sites[at].call, incident->call) != 0))
        at++;
    summary->reports++;
    if (at == summary->site_count) {
        if (at == SITE_LIMIT) {
            summary->sites_lost++;
            return SITE_NONE;
        }
        at = new_site(summary, incident);
    }
    summary->sites[at].count++;
    return at;
}

static unsigned bucket_of(uint64_t ns)
{
    uint64_t us = ns / 1000;
    if (us < 4)
        return (unsigned)us;
    unsigned power = 63 - (unsigned)__builtin_clzll(us); /* us >= 4: at least 2 */
    unsigned bucket = power * 4 + (unsigned)(us >> (power - 2) & 3);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t bucket_end_ns(unsigned bucket)
{
    if (bucket < 4)
        return (bucket + 1) * (uint64_t)1000;
    return ((uint64_t)(bucket % 4 + 5) << (bucket / 4 - 2)) * 1000;
}

void summary_returned(struct summary *summary, uint32_t at, uint64_t blocked_ns)
{
    if (at >= summary->site_count)
        return;
    struct summary_site *site = &summary->sites[at];
    site->returned++;
    site->total_ns += blocked_ns;
    if (blocked_ns > site->max_ns)
        site->max_ns = blocked_ns;
    site->histogram[bucket_of(blocked_ns)]++;
}

uint64_t summary_percentile_ns(const struct summary_site *site, unsigned percent)
{
    uint64_t wanted = (site->returned * percent + 99) / 100;
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += site->histogram[bucket];
        if (seen >= wanted && seen > 0)
            return bucket_end_ns(bucket) < site->max_ns ? bucket_end_ns(bucket) : site->max_ns;
    }
    return 0;
}
