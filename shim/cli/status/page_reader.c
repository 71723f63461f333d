// SPDX-License-Identifier: MIT
#include "cli/status/page_reader.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "cli/names/demangle.h"
#include "explain/elf_symbols.h"
#include "graph/finding.h"
#include "kernel/memory_reader.h"
#include "kernel/proc_reader.h"
#include "kernel/proc_text.h"
#include "kernel/status.h"

/* The first mapping of the file that is called libpipeshim….so; 0: there is none. */
static long find_library(int pid, uintptr_t *base)
{
    static const char name[] = "/libpipeshim";
    char path[PROC_PATH_LIMIT];
    struct line_reader lines;
    proc_path(path, pid, 0, "maps");
    long error = lines_open(&lines, path);
    *base = 0;
    if (error != 0)
        return error;
    for (const char *line; *base == 0 && (line = lines_next(&lines)) != NULL;) {
        const char *slash = strrchr(line, '/');
        struct map_line map;
        if (slash && strncmp(slash, name, sizeof name - 1) == 0 && parse_map(line, &map))
            *base = map.start;
    }
    lines_close(&lines);
    return 0;
}

enum page_state page_find(int pid, uintptr_t *address)
{
    return page_find_symbol(pid, "pipeshim_status", address);
}

enum page_state page_find_symbol(int pid, const char *symbol, uintptr_t *address)
{
    uintptr_t base;
    struct elf_symbols symbols;
    unsigned char first;
    long error = find_library(pid, &base);
    if (error != 0)
        return error == -EACCES || error == -EPERM ? PAGE_NOT_PERMITTED : PAGE_GONE;
    if (base == 0)
        return PAGE_NO_LIBRARY;
    struct memory_reader memory = memory_reader_process(pid);
    if (!memory_read(&memory, base, &first, 1))
        return PAGE_NOT_PERMITTED;
    if (!elf_symbols_open(&memory, base, &symbols))
        return PAGE_NO_LIBRARY;
    *address = elf_symbols_find(&memory, &symbols, symbol);
    return *address ? PAGE_READ : PAGE_NO_LIBRARY;
}

static void end_text(char *text, size_t capacity)
{
    text[capacity - 1] = '\0';
}

static void tame_finding(struct status_finding *finding)
{
    if (finding->kind < 0 || finding->kind >= FINDING_KINDS)
        finding->kind = 0;
    if (finding->member_count > STATUS_MEMBERS)
        finding->member_count = STATUS_MEMBERS;
    for (unsigned i = 0; i < STATUS_MEMBERS; i++) {
        end_text(finding->members[i].name, sizeof finding->members[i].name);
        end_text(finding->members[i].waits_in, sizeof finding->members[i].waits_in);
        end_text(finding->members[i].object, sizeof finding->members[i].object);
    }
}

void page_tame(struct status_page *page)
{
    char where[STATUS_WHERE];
    if (page->call_count > STATUS_CALLS)
        page->call_count = STATUS_CALLS;
    if (page->loop_count > STATUS_LOOPS)
        page->loop_count = STATUS_LOOPS;
    if (page->found_kind < 0 || page->found_kind >= FINDING_KINDS)
        page->found_kind = 0;
    if (page->drain_count > STATUS_DRAINS)
        page->drain_count = STATUS_DRAINS;
    if (page->finding_count > STATUS_FINDINGS)
        page->finding_count = STATUS_FINDINGS;
    for (unsigned i = 0; i < STATUS_FINDINGS; i++)
        tame_finding(&page->findings[i]);
    for (unsigned i = 0; i < STATUS_STREAMS; i++) {
        struct status_stream *stream = &page->streams[i];
        if (stream->capacity <= 0 || stream->used < 0)
            *stream = (struct status_stream){0};
        else if (stream->used > stream->capacity)
            stream->used = stream->capacity;
    }
    end_text(page->words, sizeof page->words);
    for (unsigned i = 0; i < STATUS_LOOPS; i++)
        end_text(page->loops[i].thread, sizeof page->loops[i].thread);
    for (unsigned i = 0; i < STATUS_CALLS; i++) {
        struct status_call *call = &page->calls[i];
        if (call->class >= CLASS_COUNT)
            call->class = CLASS_OTHER;
        end_text(call->thread, sizeof call->thread);
        end_text(call->peer, sizeof call->peer);
        end_text(call->call, sizeof call->call);
        end_text(call->object, sizeof call->object);
        end_text(call->where, sizeof call->where);
        if (demangle_last_word(call->where, where, sizeof where))
            memcpy(call->where, where, sizeof where);
    }
}

bool page_is_own(int pid, const struct status_page *page)
{
    struct status_field field = {.name = "NSpid", .base = 10};
    return !status_read(pid, 0, &field, 1) || field.value == (uint64_t)page->pid;
}

/* What every version has at the same place. */
struct page_head {
    char magic[8];
    uint32_t version, size;
};

/* A smaller page is of an older library: what it does not have is zero. Of a larger one the
 * beginning is read. */
static bool copy_page(const struct memory_reader *memory, uintptr_t address, uint32_t size,
                      struct status_page *page)
{
    memset(page, 0, sizeof *page);
    return memory_read(memory, address, page, size < sizeof *page ? size : sizeof *page);
}

/* Each change has a sequence of its own, each program a moment at which it began. */
bool page_is_same(int pid, uintptr_t address, const struct status_page *known)
{
    enum { ALL_THAT_TELLS = offsetof(struct status_page, begun_ns) + sizeof known->begun_ns };
    struct memory_reader memory = memory_reader_process(pid);
    union {
        char bytes[ALL_THAT_TELLS];
        struct {
            struct page_head head;
            uint64_t sequence;
        } at;
    } now;
    return memory_read(&memory, address, now.bytes, sizeof now.bytes) &&
           now.at.sequence == known->sequence &&
           memcmp(now.bytes, known, sizeof now.at.head) == 0 &&
           memcmp(now.bytes + offsetof(struct status_page, begun_ns), &known->begun_ns,
                  sizeof known->begun_ns) == 0;
}

enum page_state page_copy(int pid, uintptr_t address, struct status_page *page)
{
    enum { TRIES = 3 };
    static const char zeroes[sizeof page->magic];
    struct memory_reader memory = memory_reader_process(pid);
    struct page_head head;
    if (!memory_read(&memory, address, &head, sizeof head))
        return PAGE_GONE;
    if (memcmp(head.magic, zeroes, sizeof zeroes) == 0)
        return PAGE_NOT_BEGUN;
    if (memcmp(head.magic, STATUS_MAGIC, sizeof head.magic) != 0 ||
        head.version != STATUS_VERSION || head.size < STATUS_SMALLEST)
        return PAGE_OTHER_VERSION;
    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t after;
        if (!copy_page(&memory, address, head.size, page) ||
            !memory_read(&memory, address + offsetof(struct status_page, sequence), &after,
                         sizeof after))
            return PAGE_GONE;
        if (page->sequence != after || (after & 1))
            continue;
        page_tame(page);
        return PAGE_READ;
    }
    return PAGE_TORN;
}
