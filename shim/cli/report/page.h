// SPDX-License-Identifier: MIT
/* page.html as it is in the source tree, inside the executable. */
#ifndef PIPESHIM_CLI_REPORT_PAGE_H
#define PIPESHIM_CLI_REPORT_PAGE_H

extern const char report_page[];
extern const char report_page_end[]; /* the byte after the last */

/* Runs on: any. Plain data. */
#endif
