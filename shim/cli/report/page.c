// SPDX-License-Identifier: MIT
#include "cli/report/page.h"

/* The assembler reads the file, relative to the folder in which make runs. */
__asm__(".section .rodata\n"
        ".global report_page\n"
        ".global report_page_end\n"
        "report_page:\n"
        ".incbin \"shim/cli/report/page.html\"\n"
        "report_page_end:\n"
        ".byte 0\n"
        ".previous\n");
