// SPDX-License-Identifier: MIT
/*
 * Preloaded into any program: interrupts it every millisecond wherever it is, unwinds the stack of
 * that moment by the library's unwinder and by libunwind, and compares the addresses.
 *   LIVE_STACKS=FILE LD_PRELOAD=build/tests/reference/live_stacks.so PROGRAM
 * At the end, and every 64 stacks, one line of counts is appended to FILE, and one for each of the
 * first differences.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "explain/modules.h"
#include "explain/unwinder.h"
#include "libunwind_reference.h"

enum { SHOWN_LIMIT = 5, INTERVAL_NS = 1000000, BATCH = 64 };

static struct memory_reader reader;
static struct stack_snapshot snapshot;
static struct stack_trace trace;
static uint64_t theirs[STACK_DEPTH_LIMIT];
static int log_fd = -1;
static volatile int busy;
static pid_t owner;

static struct {
    unsigned stacks, frames;
    unsigned
        farther; /* where libunwind ends without having come to the outermost frame, ours goes on */
    unsigned different;
} tally;

static bool find_tables(const struct reference *reference, uintptr_t pc,
                        struct unwind_tables *tables)
{
    (void)reference;
    struct module module;
    if (!module_find(modules_own(), &reader, pc, &module))
        return false;
    *tables = (struct unwind_tables){
        .low = module.map_start, .high = module.map_end, .eh_frame_hdr = module.eh_frame_hdr};
    return true;
}

static struct saved_registers interrupted(const ucontext_t *context)
{
#if defined(__x86_64__)
    const greg_t *saved = context->uc_mcontext.gregs;
    return (struct saved_registers){.pc = (uint64_t)saved[REG_RIP],
                                    .sp = (uint64_t)saved[REG_RSP],
                                    .rbp = (uint64_t)saved[REG_RBP],
                                    .rbx = (uint64_t)saved[REG_RBX],
                                    .r12 = (uint64_t)saved[REG_R12],
                                    .r13 = (uint64_t)saved[REG_R13],
                                    .r14 = (uint64_t)saved[REG_R14],
                                    .r15 = (uint64_t)saved[REG_R15]};
#elif defined(__aarch64__)
    const mcontext_t *saved = &context->uc_mcontext;
    struct saved_registers registers = {
        .pc = saved->pc, .sp = saved->sp, .fp = saved->regs[29], .lr = saved->regs[30]};
    memcpy(registers.x19_to_x28, saved->regs + 19, sizeof(registers.x19_to_x28));
    return registers;
#endif
}

static void show_frame(char *line, size_t size, uint64_t pc)
{
    struct module module;
    char path[MODULE_PATH_LIMIT] = "";
    if (module_find(modules_own(), &reader, pc, &module))
        module_path(&reader, &module, path, sizeof(path));
    else
        module.load_bias = 0;
    size_t used = strlen(line);
    snprintf(line + used, size - used, " %s+%lx", path, (unsigned long)(pc - module.load_bias));
}

static void say(const char *line)
{
    if (write(log_fd, line, strlen(line)) < 0)
        log_fd = -1;
}

/* The frames around the first that differs. */
static void show_difference(unsigned at, unsigned count, bool complete)
{
    static char line[8192];
    snprintf(line, sizeof(line), "different %s frame %u: ours (%u, end %d)",
             program_invocation_name, at, trace.count, trace.end);
    for (unsigned i = at > 0 ? at - 1 : 0; i < trace.count && i < at + 2; i++)
        show_frame(line, sizeof(line), trace.pc[i]);
    size_t used = strlen(line);
    snprintf(line + used, sizeof(line) - used, "; libunwind (%u, %s)", count,
             complete ? "complete" : "lost");
    for (unsigned i = at > 0 ? at - 1 : 0; i < count && i < at + 2; i++)
        show_frame(line, sizeof(line), theirs[i]);
    strcat(line, "\n");
    say(line);
}

static void show_tally(void)
{
    static char line[512];
    snprintf(line, sizeof(line), "%d %s: %u stacks, %u frames, %u farther, %u different\n",
             (int)getpid(), program_invocation_short_name, tally.stacks, tally.frames,
             tally.farther, tally.different);
    say(line);
}

static void compare(const ucontext_t *context)
{
    struct saved_registers registers = interrupted(context);
    if (!stack_snapshot_take(&reader, &registers, &snapshot))
        return;
    unwind_snapshot(&snapshot, modules_own(), &reader, STACK_DEPTH_LIMIT, &trace);
    struct unwind_memory memory = {.snapshot = &snapshot, .reader = &reader};
    struct reference reference = {.memory = &memory, .find_tables = find_tables};
    struct cfi_registers from;
    cfi_registers_load(&from, &registers, false);
    bool complete;
    unsigned count = reference_walk(&reference, &from, theirs, STACK_DEPTH_LIMIT, &complete);
    unsigned same = 0;
    while (same < count && same < trace.count && theirs[same] == trace.pc[same])
        same++;
    tally.stacks++;
    tally.frames += trace.count;
    if (same == count && (count == trace.count ? complete == (trace.end == STACK_END_COMPLETE) ||
                                                     count == STACK_DEPTH_LIMIT
                                               : !complete))
        tally.farther += count < trace.count;
    else if (++tally.different <= SHOWN_LIMIT)
        show_difference(same, count, complete);
    if (tally.stacks % BATCH == 0)
        show_tally();
}

static void handle(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    int saved_errno = errno;
    if (!busy && getpid() == owner) {
        busy = 1;
        compare(context);
        busy = 0;
    }
    errno = saved_errno;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("LIVE_STACKS");
    int fd = path != NULL ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644) : -1;
    /* High, where no program expects its own; bash and others close low ones at their start. */
    log_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 900);
    if (fd >= 0)
        close(fd);
    if (log_fd < 0 || !reference_init())
        return;
    owner = getpid();
    reader = memory_reader_process(owner);
    modules_init();
    int number = SIGRTMAX - 5;
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = number};
    struct itimerspec interval = {{0, INTERVAL_NS}, {0, INTERVAL_NS}};
    timer_t timer;
    if (sigaction(number, &action, NULL) == 0 && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
        timer_settime(timer, 0, &interval, NULL);
}

__attribute__((destructor)) static void end(void)
{
    busy = 1;
    if (getpid() == owner && log_fd >= 0)
        show_tally();
}
