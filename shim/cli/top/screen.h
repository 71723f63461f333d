// SPDX-License-Identifier: MIT
/* What the two files of the live view share: what is drawn, and the keys that change it. */
#ifndef PIPESHIM_CLI_TOP_SCREEN_H
#define PIPESHIM_CLI_TOP_SCREEN_H

#include "cli/top/top.h"

enum mode { MODE_ROWS, MODE_DETAIL, MODE_HELP, MODE_FILTER };

struct screen {
    struct top *top;
    enum mode mode;
    bool paused, quit;
    int pid;                                      /* that is selected, or shown in detail */
    size_t selected;                              /* its row */
    size_t first;                                 /* row, or line of text, at the top */
    char *diagnosis;                              /* of `pid`; NULL: none */
    char *text;                                   /* what is scrolled through: detail or help */
    char before[sizeof((struct top *)0)->filter]; /* the filter, while another one is typed */
};

/* Lines of the screen that hold rows, or text. */
size_t screen_page_size(const struct screen *screen);

/* Draws all of it. */
void screen_draw(struct screen *screen);

/* Only the last line, at once. */
void screen_say(const char *text);

/* Does what the key says: one of curses' codes. */
void screen_take_key(struct screen *screen, int key);

/* Runs on: the tool. AS-safe: no. Blocks: on the terminal. */
#endif
