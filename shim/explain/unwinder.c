// SPDX-License-Identifier: MIT
#include "explain/unwinder.h"

#include <stdatomic.h>
#include <string.h>

#include "explain/libunwind_loader.h"
#include "explain/modules.h"
#include "explain/return_address.h"

enum {
    FRAME_SIZE_LIMIT = 1024 * 1024,           /* a frame pointer that points farther up is none */
    SEARCH_DISTANCE = 4096,                   /* a frame pointer that is searched lies this near */
    STEP_LIMIT = 2 * STACK_DEPTH_LIMIT + 256, /* of all tries of one unwind together */
    NO_REGISTER = -1,
};

/* One unwind: what libunwind's accessors get as their argument. */
struct unwind {
    struct stack_snapshot *snapshot;
    const struct memory_reader *reader;
    struct stack_trace *trace;
    unsigned depth;
    unsigned steps;
    /* The frame that the cursor started from, by libunwind's register numbers. */
    uint64_t registers[LIBUNWIND_REGISTERS];
    uint64_t known; /* bit n: registers[n] is */
    /* What the accessors saw in the last step. */
    bool no_table;        /* no unwind table for that pc */
    bool read_failed;     /* a table or a stack slot could not be read */
    int missing_register; /* an unknown register was needed */
    unw_cursor_t cursor;
};

static struct libunwind libunwind;
static unw_addr_space_t address_space; /* NULL: no libunwind */
static atomic_int unwinds_running;

/* --- What libunwind asks ---------------------------------------------------------------------- */

/* The start of .eh_frame_hdr as every linker writes it: a sorted table that can be searched. */
struct eh_frame_hdr {
    uint8_t version, eh_frame_encoding, count_encoding, table_encoding;
    int32_t eh_frame;
    uint32_t count;
};
enum { ENCODING_UDATA4 = 0x03, ENCODING_DATAREL_SDATA4 = 0x3b };

static bool find_table(struct unwind *unwind, uintptr_t pc, unw_dyn_info_t *table)
{
    struct module module;
    struct eh_frame_hdr header;
    if (!module_find(unwind->reader, pc, &module) || module.eh_frame_hdr == 0 ||
        !stack_snapshot_read(unwind->snapshot, unwind->reader, module.eh_frame_hdr, &header,
                             sizeof(header)) ||
        header.version != 1 || (header.eh_frame_encoding & 0x0f) % 8 != ENCODING_UDATA4 ||
        header.count_encoding != ENCODING_UDATA4 ||
        header.table_encoding != ENCODING_DATAREL_SDATA4)
        return false;
    memset(table, 0, sizeof(*table));
    table->format = UNW_INFO_FORMAT_REMOTE_TABLE;
    table->start_ip = module.map_start;
    table->end_ip = module.map_end;
    table->u.rti.segbase = module.eh_frame_hdr;
    table->u.rti.table_data = module.eh_frame_hdr + sizeof(header);
    table->u.rti.table_len = header.count; /* words of 8 bytes: an entry has two of 4 */
    return true;
}

static int find_proc_info(unw_addr_space_t space, unw_word_t pc, unw_proc_info_t *info,
                          int need_unwind_info, void *argument)
{
    struct unwind *unwind = argument;
    unw_dyn_info_t table;
    if (find_table(unwind, pc, &table) &&
        libunwind.search_unwind_table(space, pc, &table, info, need_unwind_info, argument) == 0)
        return 0;
    /* -UNW_ENOINFO would make libunwind guess a frame without any proof. */
    unwind->no_table = true;
    return -UNW_ESTOPUNWIND;
}

static void put_unwind_info(unw_addr_space_t space, unw_proc_info_t *info, void *argument)
{
    (void)space, (void)info, (void)argument; /* libunwind frees what its table search allocated */
}

static int get_dyn_info_list_addr(unw_addr_space_t space, unw_word_t *address, void *argument)
{
    (void)space, (void)address, (void)argument;
    return -UNW_ENOINFO;
}

static int access_mem(unw_addr_space_t space, unw_word_t address, unw_word_t *value, int write,
                      void *argument)
{
    (void)space;
    struct unwind *unwind = argument;
    if (!write &&
        stack_snapshot_read(unwind->snapshot, unwind->reader, address, value, sizeof(*value)))
        return 0;
    unwind->read_failed = true;
    return -UNW_EINVAL;
}

static int access_reg(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int write,
                      void *argument)
{
    (void)space;
    struct unwind *unwind = argument;
    if (write || number < 0 || number >= LIBUNWIND_REGISTERS)
        return -UNW_EBADREG;
    if ((unwind->known >> number & 1) == 0) {
        unwind->missing_register = number;
        return -UNW_EBADREG;
    }
    *value = unwind->registers[number];
    return 0;
}

static int access_fpreg(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value, int write,
                        void *argument)
{
    (void)space, (void)number, (void)value, (void)write, (void)argument;
    return -UNW_EBADREG;
}

static int resume(unw_addr_space_t space, unw_cursor_t *cursor, void *argument)
{
    (void)space, (void)cursor, (void)argument;
    return -UNW_EINVAL;
}

static int get_proc_name(unw_addr_space_t space, unw_word_t pc, char *name, size_t size,
                         unw_word_t *offset, void *argument)
{
    (void)space, (void)pc, (void)name, (void)size, (void)offset, (void)argument;
    return -UNW_EINVAL;
}

static unw_accessors_t accessors = {
    .find_proc_info = find_proc_info,
    .put_unwind_info = put_unwind_info,
    .get_dyn_info_list_addr = get_dyn_info_list_addr,
    .access_mem = access_mem,
    .access_reg = access_reg,
    .access_fpreg = access_fpreg,
    .resume = resume,
    .get_proc_name = get_proc_name,
};

/* --- Registers of the frame that the cursor is at -----------------------------------------------
 */

static void set_register(struct unwind *unwind, int number, uint64_t value)
{
    unwind->registers[number] = value;
    unwind->known |= 1ULL << number;
}

static void set_all_registers(struct unwind *unwind, const struct saved_registers *from, bool all)
{
    unwind->known = 0;
    set_register(unwind, UNW_REG_IP, from->pc);
    set_register(unwind, UNW_REG_SP, from->sp);
    if (!all)
        return;
#if defined(__x86_64__)
    set_register(unwind, UNW_X86_64_RBP, from->rbp);
    set_register(unwind, UNW_X86_64_RBX, from->rbx);
    set_register(unwind, UNW_X86_64_R12, from->r12);
    set_register(unwind, UNW_X86_64_R13, from->r13);
    set_register(unwind, UNW_X86_64_R14, from->r14);
    set_register(unwind, UNW_X86_64_R15, from->r15);
#elif defined(__aarch64__)
    for (int i = 0; i < 10; i++)
        set_register(unwind, UNW_AARCH64_X19 + i, from->x19_to_x28[i]);
    set_register(unwind, UNW_AARCH64_X29, from->fp);
    set_register(unwind, UNW_AARCH64_X30, from->lr);
#endif
}

/* Makes the registers of the cursor's frame the known ones, so that a new cursor can start there.
 */
static void adopt_registers(struct unwind *unwind)
{
    uint64_t values[LIBUNWIND_REGISTERS];
    uint64_t known = 0;
    for (int i = 0; i < LIBUNWIND_REGISTERS; i++) {
        if (libunwind.get_reg(&unwind->cursor, i, &values[i]) == 0)
            known |= 1ULL << i;
    }
    memcpy(unwind->registers, values, sizeof(values));
    unwind->known = known;
}

/* A new cursor at a frame whose pc is a return address: libunwind looks up a first frame's pc as it
 * is, so it gets the address of the call. */
static bool restart(struct unwind *unwind, uint64_t pc, bool exact)
{
#if defined(__x86_64__)
    set_register(unwind, UNW_REG_IP, exact ? pc : pc - 1);
#elif defined(__aarch64__)
    set_register(unwind, UNW_REG_IP, exact ? pc : pc - 4);
#endif
    return libunwind.init_remote(&unwind->cursor, address_space, unwind) == 0;
}

/* --- Steps --------------------------------------------------------------------------------------
 */

static bool read_word(struct unwind *unwind, uint64_t address, uint64_t *value)
{
    return stack_snapshot_read(unwind->snapshot, unwind->reader, address, value, sizeof(*value));
}

static enum return_address check(struct unwind *unwind, uint64_t pc)
{
    return return_address_check(unwind->snapshot, unwind->reader, pc);
}

/* The frame record at `frame_pointer` (saved frame pointer, return address); false if it proves
 * nothing. */
static bool read_frame_record(struct unwind *unwind, uint64_t frame_pointer, uint64_t sp,
                              enum return_address least, uint64_t record[2])
{
    if (frame_pointer % 8 != 0 || frame_pointer < sp || frame_pointer - sp > FRAME_SIZE_LIMIT ||
        !read_word(unwind, frame_pointer, &record[0]) ||
        !read_word(unwind, frame_pointer + 8, &record[1]))
        return false;
#if defined(__aarch64__)
    record[1] &= 0xffffffffffffULL; /* it may be signed (PAC) */
#endif
    return check(unwind, record[1]) >= least;
}

/* From a frame without tables to its caller: `*pc` becomes the return address. */
static bool step_without_table(struct unwind *unwind, bool exact, uint64_t *pc)
{
    adopt_registers(unwind);
    uint64_t sp = unwind->registers[UNW_REG_SP];
    uint64_t drop, record[2];
    if (!exact && is_stack_drop_and_return(unwind->snapshot, unwind->reader, *pc, &drop)) {
        if (!read_word(unwind, sp + drop, &record[1]) ||
            check(unwind, record[1]) == RETURN_ADDRESS_NO)
            return false;
        sp += drop + 8;
    } else {
        uint64_t frame_pointer = unwind->registers[LIBUNWIND_FRAME_POINTER];
        if ((unwind->known >> LIBUNWIND_FRAME_POINTER & 1) == 0)
            return false;
        unwind->trace->frame_pointer[unwind->trace->count - 1] = frame_pointer;
        if (!read_frame_record(unwind, frame_pointer, sp, RETURN_ADDRESS_ANONYMOUS, record))
            return false;
        unwind->known = 0; /* that code may have saved the others anywhere */
        set_register(unwind, LIBUNWIND_FRAME_POINTER, record[0]);
        sp = frame_pointer + 16;
    }
    set_register(unwind, UNW_REG_SP, sp);
    *pc = record[1];
    return restart(unwind, *pc, false);
}

/* A frame more: > 0, none because this one is the outermost: 0, none that is proven: < 0. */
static int step(struct unwind *unwind, bool exact, uint64_t *pc)
{
    unwind->no_table = unwind->read_failed = false;
    unwind->missing_register = NO_REGISTER;
    int result = libunwind.step(&unwind->cursor);
    if (unwind->no_table)
        return step_without_table(unwind, exact, pc) ? 1 : -1;
    if (result < 0 || unwind->read_failed || unwind->missing_register != NO_REGISTER)
        return -1;
    if (result == 0)
        return 0;
    if (libunwind.get_reg(&unwind->cursor, UNW_REG_IP, pc) != 0)
        return -1;
    return *pc != 0; /* a return address of 0 is how makecontext(3) and some runtimes end a stack */
}

static void add_frame(struct stack_trace *trace, uint64_t pc, bool exact)
{
    trace->pc[trace->count] = pc;
    trace->exact[trace->count] = exact;
    trace->frame_pointer[trace->count] = 0;
    trace->count++;
}

/* Walks from the cursor, at the trace's last frame, as far as it goes. */
static enum stack_end walk(struct unwind *unwind)
{
    struct stack_trace *trace = unwind->trace;
    uint64_t pc = trace->pc[trace->count - 1];
    bool exact = trace->exact[trace->count - 1];
    uint64_t sp;
    if (libunwind.get_reg(&unwind->cursor, UNW_REG_SP, &sp) != 0)
        return STACK_END_LOST;
    for (;;) {
        bool trampoline = is_signal_trampoline(unwind->snapshot, unwind->reader, pc);
        int result = ++unwind->steps > STEP_LIMIT ? -1 : step(unwind, exact, &pc);
        if (result == 0)
            return STACK_END_COMPLETE;
        uint64_t next_sp;
        if (result < 0 || libunwind.get_reg(&unwind->cursor, UNW_REG_SP, &next_sp) != 0)
            return STACK_END_LOST;
        /* A caller's frame lies above its callee's. A leaf function of aarch64 has none of its own,
         * and a signal handler may have run on another stack. */
        if (next_sp < sp ? !trampoline : next_sp == sp && !exact)
            return STACK_END_LOST;
        if (trace->count >= unwind->depth)
            return STACK_END_DEPTH;
        sp = next_sp;
        exact = trampoline;
        add_frame(trace, pc, exact);
    }
}

/* Where the function that `pc` lies in starts, by its unwind table; 0: unknown. */
static uint64_t function_start(struct unwind *unwind, uint64_t pc)
{
    unw_dyn_info_t table;
    unw_proc_info_t info = {0};
    if (!find_table(unwind, pc, &table) ||
        libunwind.search_unwind_table(address_space, pc, &table, &info, 0, unwind) != 0)
        return 0;
    return info.start_ip;
}

enum call_link {
    CALL_CONTRADICTS, /* the call before the return address is to another function */
    CALL_UNKNOWN,     /* it is indirect, or goes through the procedure linkage table */
    CALL_FITS,        /* it is to this function */
};

/* Whether a function that `pc` lies in can have been called by the call before `return_address`. */
static enum call_link check_call(struct unwind *unwind, uint64_t pc, uint64_t return_address)
{
    uintptr_t target;
    if (!direct_call_target(unwind->snapshot, unwind->reader, return_address, &target) ||
        function_start(unwind, target) != target)
        return CALL_UNKNOWN;
    return function_start(unwind, pc) == target ? CALL_FITS : CALL_CONTRADICTS;
}

/* The same for the frame after the trace's `frame`. */
static bool next_call_contradicts(struct unwind *unwind, unsigned frame)
{
    const struct stack_trace *trace = unwind->trace;
    return frame + 1 < trace->count && !trace->exact[frame + 1] &&
           check_call(unwind, trace->pc[frame] - 1, trace->pc[frame + 1]) == CALL_CONTRADICTS;
}

/*
 * The walk ended at a frame that needs the frame pointer, and nobody knows it. Tries every place
 * above its stack pointer that looks like a frame record, nearest first, and takes the first from
 * which the walk reaches the thread's outermost frame.
 *
 * That alone could give false stacks. A remnant of an earlier call just below the true record can
 * lead there with a frame too many; and if the walk from the true record gets stuck, one from a
 * record farther up skips what lies between. So the calls must fit: none to another function, and
 * once a record was seen that is of a call of this very function, no other kind will do.
 */
static enum stack_end walk_with_searched_frame_pointer(struct unwind *unwind)
{
    struct stack_trace *trace = unwind->trace;
    unsigned count = trace->count;
    uint64_t pc = trace->pc[count - 1];
    bool exact = trace->exact[count - 1];
    uint64_t registers[LIBUNWIND_REGISTERS];
    adopt_registers(unwind);
    uint64_t known = unwind->known;
    memcpy(registers, unwind->registers, sizeof(registers));

    const struct stack_snapshot *snapshot = unwind->snapshot;
    uint64_t sp = registers[UNW_REG_SP];
    enum call_link least = CALL_UNKNOWN;
    for (uint64_t candidate = (sp + 7) & ~7ULL;
         candidate >= snapshot->start && candidate - sp < SEARCH_DISTANCE &&
         candidate + 16 <= snapshot->start + snapshot->size && unwind->steps < STEP_LIMIT;
         candidate += 8) {
        uint64_t record[2];
        if (!read_frame_record(unwind, candidate, sp, RETURN_ADDRESS_MODULE, record))
            continue;
        enum call_link link = check_call(unwind, pc - !exact, record[1]);
        if (link < least)
            continue;
        least = link;
        memcpy(unwind->registers, registers, sizeof(registers));
        unwind->known = known;
        set_register(unwind, LIBUNWIND_FRAME_POINTER, candidate);
        if (restart(unwind, pc, exact) && walk(unwind) == STACK_END_COMPLETE &&
            !next_call_contradicts(unwind, count))
            return STACK_END_COMPLETE;
        trace->count = count;
    }
    return STACK_END_LOST;
}

static void walk_frame_pointers(struct unwind *unwind)
{
    uint64_t sp = unwind->registers[UNW_REG_SP];
    uint64_t frame_pointer = unwind->registers[LIBUNWIND_FRAME_POINTER];
    uint64_t record[2];
    struct stack_trace *trace = unwind->trace;
    while (read_frame_record(unwind, frame_pointer, sp, RETURN_ADDRESS_MODULE, record)) {
        if (trace->count >= unwind->depth) {
            trace->end = STACK_END_DEPTH;
            return;
        }
        add_frame(trace, record[1], false);
        sp = frame_pointer + 16;
        frame_pointer = record[0];
    }
}

void unwind_snapshot(struct stack_snapshot *snapshot, const struct memory_reader *reader,
                     unsigned depth, struct stack_trace *trace)
{
    struct unwind unwind = {.snapshot = snapshot, .reader = reader, .trace = trace};
    unwind.depth = depth < STACK_DEPTH_LIMIT ? depth : (unsigned)STACK_DEPTH_LIMIT;
    stack_snapshot_begin(snapshot);
    trace->count = 0;
    trace->end = STACK_END_LOST;
    add_frame(trace, snapshot->registers.pc, true);
    set_all_registers(&unwind, &snapshot->registers, !snapshot->only_pc_and_sp);
    if (snapshot->size == 0)
        return;
    if (address_space == NULL) {
        walk_frame_pointers(&unwind);
        return;
    }
    atomic_fetch_add(&unwinds_running, 1);
    /* Here and not in unwinder_init(): the first call makes libunwind open its pipe, which must not
     * take two fds from the program. */
    libunwind.set_caching_policy(address_space, UNW_CACHE_GLOBAL);
    /* What libunwind remembers of one unwind serves the frames of a recursion; of an earlier one it
     * may be about an object that is no longer there. */
    libunwind.flush_cache(address_space, 0, 0);
    if (restart(&unwind, snapshot->registers.pc, true)) {
        trace->end = walk(&unwind);
        if (trace->end == STACK_END_LOST && unwind.missing_register == LIBUNWIND_FRAME_POINTER)
            trace->end = walk_with_searched_frame_pointer(&unwind);
    }
    atomic_fetch_sub(&unwinds_running, 1);
}

/* --- Start
 * ---------------------------------------------------------------------------------------- */

bool unwinder_init(void)
{
    modules_init();
    if (!libunwind_load(&libunwind))
        return false;
    address_space = libunwind.create_addr_space(&accessors, 0);
    if (address_space == NULL)
        return false;
    return true;
}

void unwinder_after_fork(void)
{
    if (atomic_exchange(&unwinds_running, 0) != 0)
        address_space = NULL;
}
