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
#include "doors/drain_doors.h"
#include "doors/stdio_jumps.h"
#include "explain/modules.h"
#include "process/filters.h"
#include "process/life.h"
#include "report/reporter.h"
#include "slots/slot.h"
#include "watch/cpu_stacks.h"
#include "watch/finish.h"
#include "watch/inherited_filter.h"
#include "watch/javascript_frames.h"
#include "watch/lag.h"
#include "watch/live_settings.h"
#include "watch/metrics.h"
#include "watch/python_frames.h"
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

/* What `start` says of Python: looked for where the name promises one, for it takes 100 us.
 * Elsewhere the first report looks. */
static const char *find_python(const char *argv0)
{
    const char *slash = strrchr(argv0, '/');
    struct memory_reader memory = memory_reader_process((int)raw_syscall(SYS_getpid));
    if (strncmp(slash ? slash + 1 : argv0, "python", 6) != 0 || !settings.number[SETTING_PYTHON] ||
        filters_known() != 0)
        return NULL;
    return python_frames_begin(&memory);
}

/* The same of JavaScript. */
static const char *find_javascript(const char *argv0)
{
    static const char *const names[] = {"node", "deno", "bun", "electron"};
    const char *slash = strrchr(argv0, '/');
    const char *name = slash ? slash + 1 : argv0;
    struct memory_reader memory = memory_reader_process((int)raw_syscall(SYS_getpid));
    if (!settings.number[SETTING_JAVASCRIPT] || filters_known() != 0)
        return NULL;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return javascript_frames_begin(&memory);
    return NULL;
}

/* What report/ asks of the rooms above it. */
static const struct report_sources sources = {
    .cpu_stacks = cpu_stacks_source,
    .loops = lag_statistics,
};

/* What the watch asks of the doors. */
static const struct live_effects live_effects = {
    .drain = drain_doors_switch,
    .drain_one = drain_doors_switch_one,
    .look = drain_doors_look,
};

static void begin_here(char **arguments, char **environment)
{
    bool secure = getauxval(AT_SECURE) != 0;
    if (!report_read_settings(arguments, environment, secure, &settings) ||
        !inherited_filter_permits(environment) || !report_prepare(arguments, environment, &sources))
        return;
    struct life *made = make_life();
    if (!made) {
        report_line(
            "this kernel has no MADV_WIPEONFORK; expected Linux 4.14 or later; this process "
            "is not watched");
        return;
    }
    life = made;
    drain_doors_install();
    if (settings_stack_depth(&settings) != 0)
        modules_init();
    const char *no_stdio =
        settings.number[SETTING_STDIO] ? stdio_jumps_install() : "PIPESHIM_STDIO=off";
    metrics_prepare();
    live_settings_prepare(&live_effects);
    watchdog_thread_prepare(watchdog_run);
    atomic_store(&life->pid, (int32_t)raw_syscall(SYS_getpid));
    const char *argv0 = arguments[0] ? arguments[0] : "";
    report_start(no_stdio, find_python(argv0), find_javascript(argv0));
    life_activate();
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
    if (log_given &&
        report_read_settings(nameless, environ, getauxval(AT_SECURE) != 0, &settings) &&
        inherited_filter_permits(environ) && report_prepare(nameless, environ, &sources)) {
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
    int saved_errno = errno;              /* programs look at errno without having set it to 0 */
    if (symbols_are_of_known_libc())
        begin_here(argc > 0 ? argv : no_arguments, environment);
    else
        begin_with_unknown_libc(); /* musl passes no arguments here */
    errno = saved_errno;
}

__attribute__((destructor)) static void end(void)
{
    drain_doors_finish(true);
    life_finish();
}
