// SPDX-License-Identifier: MIT
/* The order in which the library begins and ends in a process that was started with it. */
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dynamic_symbols.h"
#include "base/raw_syscall.h"
#include "base/script_name.h"
#include "doors/drain_doors.h"
#include "doors/stdio_jumps.h"
#include "explain/modules.h"
#include "kernel/inherited_filter.h"
#include "process/filters.h"
#include "process/life.h"
#include "report/reporter.h"
#include "slots/slot.h"
#include "watch/cpu_stacks.h"
#include "watch/drain_watch.h"
#include "watch/finish.h"
#include "watch/javascript_frames.h"
#include "watch/lag.h"
#include "watch/late_start.h"
#include "watch/live_settings.h"
#include "watch/look_budget.h"
#include "watch/metrics.h"
#include "watch/python_frames.h"
#include "watch/rescues.h"
#include "watch/stdio_fill.h"
#include "watch/thread.h"
#include "watch/watchdog.h"

extern char **environ __attribute__((weak));

static struct life *make_life(void)
{
    size_t size = sizeof(struct life) + SLOT_LIMIT / 8;
    long made =
        raw_syscall(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made < 0 && made > -4096)
        return NULL;
    if (raw_syscall(SYS_madvise, made, size, MADV_WIPEONFORK) != 0) {
        raw_syscall(SYS_munmap, made, size);
        return NULL;
    }
    return (struct life *)made;
}

/* Of the start, for the part of it that may come later: the program may write over its arguments.
 * child: constant */
static struct {
    char **arguments, **environment; /* read by a part that does not come later */
    bool is_python, is_javascript;
    bool stdio_tried;
    const char *no_stdio;
} start;

static bool is_one_of(const char *name, const char (*beginnings)[9], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

static void keep_start(char **arguments, char **environment)
{
    static const char python[][9] = {"python"};
    static const char javascript[][9] = {"node", "deno", "bun", "electron"};
    const char *name = arguments[0] ? path_last_part(arguments[0]) : "";
    start.arguments = arguments;
    start.environment = environment;
    start.is_python = is_one_of(name, python, sizeof python / sizeof *python);
    start.is_javascript = is_one_of(name, javascript, sizeof javascript / sizeof *javascript);
}

/* What `start` says of Python: looked for where the name promises one, for it takes 100 us.
 * Elsewhere the first report looks. */
static const char *find_python(void)
{
    struct memory_reader memory = memory_reader_process((int)raw_syscall(SYS_getpid));
    if (!start.is_python || !settings.number[SETTING_PYTHON] || filters_known() != 0)
        return NULL;
    return python_frames_begin(&memory);
}

/* The same of JavaScript. */
static const char *find_javascript(void)
{
    struct memory_reader memory = memory_reader_process((int)raw_syscall(SYS_getpid));
    if (!start.is_javascript || !settings.number[SETTING_JAVASCRIPT] || filters_known() != 0)
        return NULL;
    return javascript_frames_begin(&memory);
}

/* What report/ asks of the rooms above it. */
static const struct report_sources sources = {
    .cpu_stacks = cpu_stacks_source,
    .loops = lag_statistics,
    .away = lag_longest_absence,
    .rescues = rescues_of_summary,
    .looks = look_budget_totals,
    .streams = stdio_fill_take,
    .drains = drain_watch_drains,
};

/* What the watch asks of the doors. */
static const struct live_effects live_effects = {
    .drain = drain_doors_switch,
    .drain_one = drain_doors_switch_one,
    .look = drain_doors_look,
};

/* The jumps are in place before main() writes: stdio is not seen by any other door. */
static void install_stdio(void)
{
    bool wanted = report_has_defaults() || settings.number[SETTING_STDIO];
    start.no_stdio = wanted ? stdio_jumps_install() : "PIPESHIM_STDIO=off";
    start.stdio_tried = true;
}

/* Bun (bun, bunx, npm's bun.exe, bun-profile) calls the kernel itself, past libc: no call would
 * ever begin. What is stuck in such a call the sampler finds. Not bunzip2, nor bundle. */
static bool calls_past_libc(void)
{
    const char *name = start.arguments[0] ? path_last_part(start.arguments[0]) : "";
    size_t length = strcspn(name, ".-");
    return (length == 3 && memcmp(name, "bun", 3) == 0) ||
           (length == 4 && memcmp(name, "bunx", 4) == 0);
}

/* Everything that makes system calls; ends the wait of late_start.h. */
static void begin_watching(void)
{
    if (!report_prepare(start.arguments, start.environment, &sources)) {
        life_go_inert();
        return;
    }
    struct life *made = make_life();
    if (!made) {
        report_line(
            "this kernel has no MADV_WIPEONFORK; expected Linux 4.14 or later; this process "
            "is not watched");
        life_go_inert();
        return;
    }
    life = made;
    drain_doors_install();
    if (settings_stack_depth(&settings) != 0)
        modules_init();
    if (!start.stdio_tried)
        install_stdio();
    metrics_prepare();
    live_settings_prepare(&live_effects);
    watchdog_thread_prepare(watchdog_run);
    atomic_store(&life->pid, (int32_t)raw_syscall(SYS_getpid));
    report_start(start.no_stdio, find_python(), find_javascript());
    life_activate();
    if (calls_past_libc())
        watchdog_thread_start();
}

/* What takes something that may be another one, or gone, when the first call may block. */
static bool wants_the_start(void)
{
    if (calls_past_libc())
        return true;
    if (report_has_defaults())
        return false;
    return report_wants_the_start() || strcmp(settings.text[SETTING_DRAIN], "off") != 0 ||
           settings.number[SETTING_GROW] != 0 || settings.text[SETTING_METRICS][0] != '\0';
}

static void begin_here(char **arguments, char **environment)
{
    bool secure = getauxval(AT_SECURE) != 0;
    if (!report_read_settings(arguments, environment, secure, &settings))
        return;
    keep_start(arguments, environment);
    inherited_filter_prepare(environment);
    if (!wants_the_start()) {
        install_stdio();
        late_start_prepare(begin_watching);
        return;
    }
    struct inherited_filter filter = inherited_filter_read();
    if (filter.verdict != FILTER_PERMITS)
        return;
    inherited_filter_accept(&filter);
    begin_watching();
}

/* Nothing is known of this libc's FILEs, threads and start: the program runs as if the library were
 * not there. A line on its stderr would be a change, one in a log that was asked for is none. */
static void begin_with_unknown_libc(void)
{
    bool log_given = false;
    for (char **variable = &environ ? environ : NULL; variable && *variable; variable++)
        log_given |= strncmp(*variable, "PIPESHIM_LOG=", 13) == 0;
    enum { PATIENCE_NS = 50 * NS_PER_MS };
    char *nameless[] = {NULL};
    if (!log_given ||
        !report_read_settings(nameless, environ, getauxval(AT_SECURE) != 0, &settings))
        return;
    inherited_filter_prepare(environ);
    struct inherited_filter filter = inherited_filter_read();
    if (filter.verdict == FILTER_PERMITS && report_prepare(nameless, environ, &sources)) {
        inherited_filter_accept(&filter);
        report_line("this program's C library is not known; expected glibc 2.28 or later; this "
                    "process is not watched");
        report_finish(clock_monotonic_ns() + PATIENCE_NS); /* no destructor of ours speaks there */
    }
}

/* glibc passes main's arguments to constructors; the environment is taken from there because a
 * program may export a getenv of its own (bash does) that is not ready yet. */
__attribute__((constructor)) static void begin(int argc, char **argv, char **environment)
{
    static char *no_arguments[] = {NULL}; /* child: constant */
    static _Atomic bool begun;            /* child: constant */
    /* The page of our variables is written before it is read: one page fault, not two. */
    atomic_store_explicit(&begun, true, memory_order_relaxed);
    int saved_errno = errno; /* programs look at errno without having set it to 0 */
    if (symbols_of_known_libc())
        begin_here(argc > 0 ? argv : no_arguments, environment);
    else
        begin_with_unknown_libc(); /* musl passes no arguments here */
    life_decided();
    errno = saved_errno;
}

__attribute__((destructor)) static void end(void)
{
    drain_doors_finish(true);
    life_finish();
}
