// SPDX-License-Identifier: MIT
#include "libunwind_reference.h"

#include <string.h>

#include "libunwind_loader.h"

_Static_assert((int)UNW_TDEP_IP == (int)CFI_PC && (int)UNW_TDEP_SP == (int)CFI_SP,
               "libunwind numbers the registers as DWARF does");

static struct libunwind libunwind;
static unw_addr_space_t address_space;

/* What the accessors get as their argument. */
struct session {
    const struct reference *reference;
    const struct cfi_registers *from;
    bool failed;
};

/* The start of .eh_frame_hdr as every linker writes it: a sorted table that can be searched. */
struct eh_frame_hdr {
    uint8_t version, eh_frame_encoding, count_encoding, table_encoding;
    int32_t eh_frame;
    uint32_t count;
};

static int find_proc_info(unw_addr_space_t space, unw_word_t pc, unw_proc_info_t *info,
                          int need_unwind_info, void *argument)
{
    struct session *session = argument;
    const struct reference *reference = session->reference;
    struct unwind_tables tables;
    struct eh_frame_hdr header;
    if (reference->find_tables(reference, pc, &tables) && tables.eh_frame_hdr != 0 &&
        unwind_memory_read(reference->memory, tables.eh_frame_hdr, &header, sizeof(header)) &&
        header.table_encoding == 0x3b) {
        unw_dyn_info_t table = {
            .format = UNW_INFO_FORMAT_REMOTE_TABLE, .start_ip = tables.low, .end_ip = tables.high};
        table.u.rti.segbase = tables.eh_frame_hdr;
        table.u.rti.table_data = tables.eh_frame_hdr + sizeof(header);
        table.u.rti.table_len = header.count; /* words of 8 bytes: an entry has two of 4 */
        if (libunwind.search_unwind_table(space, pc, &table, info, need_unwind_info, argument) == 0)
            return 0;
    }
    /* -UNW_ENOINFO would make libunwind guess a frame without any proof. */
    session->failed = true;
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
    struct session *session = argument;
    if (!write && unwind_memory_read(session->reference->memory, address, value, sizeof(*value)))
        return 0;
    session->failed = true;
    return -UNW_EINVAL;
}

static int access_reg(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int write,
                      void *argument)
{
    (void)space;
    struct session *session = argument;
    if (write || number < 0 || !cfi_is_known(session->from, (uint64_t)number)) {
        session->failed = session->failed || !write;
        return -UNW_EBADREG;
    }
    *value = session->from->value[number];
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

bool reference_init(void)
{
    if (!libunwind_load(&libunwind))
        return false;
    address_space = libunwind.create_addr_space(&accessors, 0);
    if (address_space == NULL)
        return false;
    libunwind.set_caching_policy(address_space, UNW_CACHE_GLOBAL);
    return true;
}

static bool begin(struct session *session, const struct reference *reference,
                  const struct cfi_registers *from, unw_cursor_t *cursor)
{
    *session = (struct session){.reference = reference, .from = from};
    /* What it remembers of an earlier unwind may be about another object. */
    libunwind.flush_cache(address_space, 0, 0);
    return libunwind.init_remote(cursor, address_space, session) == 0;
}

unsigned reference_walk(const struct reference *reference, const struct cfi_registers *from,
                        uint64_t *pc, unsigned limit, bool *complete)
{
    struct session session;
    unw_cursor_t cursor;
    unsigned count = 0;
    *complete = false;
    pc[count++] = from->value[CFI_PC];
    if (!begin(&session, reference, from, &cursor))
        return count;
    while (count < limit) {
        unw_word_t next;
        int result = libunwind.step(&cursor);
        if (result < 0 || session.failed)
            return count;
        if (result == 0 || libunwind.get_reg(&cursor, UNW_REG_IP, &next) != 0 || next == 0) {
            *complete = true;
            return count;
        }
        pc[count++] = next;
    }
    return count;
}

int reference_step(const struct reference *reference, const struct cfi_registers *from,
                   struct cfi_registers *to)
{
    struct session session;
    unw_cursor_t cursor;
    to->known = 0;
    if (!begin(&session, reference, from, &cursor))
        return -1;
    int result = libunwind.step(&cursor);
    if (result < 0 || session.failed)
        return -1;
    for (unsigned number = 0; number < CFI_REGISTERS; number++) {
        unw_word_t value;
        if (libunwind.get_reg(&cursor, (int)number, &value) == 0)
            cfi_set(to, number, value);
    }
    return result == 0 || to->value[CFI_PC] == 0 ? 0 : 1;
}
