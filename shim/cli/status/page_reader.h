// SPDX-License-Identifier: MIT
/*
 * Reads the page of another process (facts/status_page.h) out of its memory. Nothing in that memory
 * is trusted: what comes back has its counts inside their bounds and its texts ended.
 */
#ifndef PIPESHIM_CLI_STATUS_PAGE_READER_H
#define PIPESHIM_CLI_STATUS_PAGE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "facts/status_page.h"

enum page_state {
    PAGE_READ,
    PAGE_NO_LIBRARY,    /* the process does not run the library, or one without a page */
    PAGE_NOT_BEGUN,     /* it does, and has made no call yet that could block, or is left out */
    PAGE_NOT_PERMITTED, /* the rules of ptrace forbid to read it */
    PAGE_OTHER_VERSION, /* the library is of another version, whose page is not known here */
    PAGE_GONE,          /* the process has ended */
    PAGE_TORN,          /* it was being written at each try; the next look finds it whole */
};

/* Where the page of process `pid` is. PAGE_READ: *address is set. */
enum page_state page_find(int pid, uintptr_t *address);

/* The same of another variable that the library lets be seen. PAGE_NO_LIBRARY: also if the library
 * is an older one, without it. */
enum page_state page_find_symbol(int pid, const char *symbol, uintptr_t *address);

/* Copies the page at `address`. */
enum page_state page_copy(int pid, uintptr_t address, struct status_page *page);

/* Whether the page at `address` still is what `known` is a copy of: then there is nothing to copy.
 */
bool page_is_same(int pid, uintptr_t address, const struct status_page *known);

/* Whether it is that process's: a forked child that has not begun its own has its parent's. */
bool page_is_own(int pid, const struct status_page *page);

/* Makes of any bytes a page that can be shown. */
void page_tame(struct status_page *page);

/* Runs on: the tool. AS-safe: yes. Blocks: no. */
#endif
