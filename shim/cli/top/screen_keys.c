// SPDX-License-Identifier: MIT
/* The live view on a terminal: what each key does. */
#include <curses.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/top/screen.h"

enum { KEY_ESCAPE = 27 };

static void diagnose(struct screen *screen)
{
    screen_say("looking at threads and stacks ...");
    free(screen->diagnosis);
    screen->diagnosis = top_diagnose(screen->pid);
}

static void enter(struct screen *screen, enum mode mode)
{
    screen->mode = mode;
    screen->first = 0;
}

static void move_by(struct screen *screen, long by)
{
    size_t *at = screen->mode == MODE_ROWS ? &screen->selected : &screen->first;
    size_t limit = screen->mode == MODE_ROWS ? screen->top->shown_count : SIZE_MAX / 2;
    if (by < 0)
        *at = *at > (size_t)-by ? *at - (size_t)-by : 0;
    else if (limit > 0)
        *at = *at + (size_t)by < limit ? *at + (size_t)by : limit - 1;
    if (screen->mode == MODE_ROWS && screen->selected < screen->top->shown_count)
        screen->pid = screen->top->shown[screen->selected]->pid;
}

static bool key_moves(struct screen *screen, int key)
{
    long page = (long)screen_page_size(screen);
    switch (key) {
    case KEY_UP:
    case 'k':
        move_by(screen, -1);
        return true;
    case KEY_DOWN:
    case 'j':
        move_by(screen, 1);
        return true;
    case KEY_PPAGE:
        move_by(screen, -page);
        return true;
    case KEY_NPAGE:
        move_by(screen, page);
        return true;
    case KEY_HOME:
    case 'g':
        move_by(screen, -(long)(SIZE_MAX / 4));
        return true;
    case KEY_END:
    case 'G':
        move_by(screen, (long)(SIZE_MAX / 4));
        return true;
    default:
        return false;
    }
}

static void change_interval(struct top *top, bool longer)
{
    static const uint64_t shortest = 100 * (uint64_t)NS_PER_MS, longest = 60 * (uint64_t)NS_PER_S;
    top->interval_ns = longer ? top->interval_ns * 2 : top->interval_ns / 2;
    if (top->interval_ns < shortest)
        top->interval_ns = shortest;
    if (top->interval_ns > longest)
        top->interval_ns = longest;
}

static void key_in_rows(struct screen *screen, int key)
{
    struct top *top = screen->top;
    switch (key) {
    case 'q':
        screen->quit = true;
        break;
    case 's':
        top->order = (enum view_order)((top->order + 1) % ORDER_COUNT);
        top_choose(top);
        break;
    case 'a':
        top->hide_ok = !top->hide_ok;
        top_choose(top);
        break;
    case '/':
        memcpy(screen->before, top->filter, sizeof top->filter);
        screen->mode = MODE_FILTER;
        break;
    case KEY_ESCAPE:
        top->filter[0] = '\0';
        top_choose(top);
        break;
    case ' ':
        screen->paused = !screen->paused;
        break;
    case '+':
    case '-':
        change_interval(top, key == '+');
        break;
    case '\n':
    case '\r':
    case KEY_ENTER:
        if (top->shown_count == 0)
            break;
        enter(screen, MODE_DETAIL);
        free(screen->diagnosis);
        screen->diagnosis = NULL;
        screen_draw(screen);
        diagnose(screen);
        break;
    default:
        break;
    }
}

static void key_in_filter(struct screen *screen, int key)
{
    struct top *top = screen->top;
    size_t length = strlen(top->filter);
    if (key == '\n' || key == '\r' || key == KEY_ENTER) {
        screen->mode = MODE_ROWS;
    } else if (key == KEY_ESCAPE) {
        memcpy(top->filter, screen->before, sizeof top->filter);
        screen->mode = MODE_ROWS;
    } else if (key == KEY_BACKSPACE || key == 127 || key == '\b') {
        if (length > 0)
            top->filter[length - 1] = '\0';
    } else if (key >= ' ' && key < 127 && length + 1 < sizeof top->filter) {
        top->filter[length] = (char)key;
        top->filter[length + 1] = '\0';
    }
    top_choose(top);
}

void screen_take_key(struct screen *screen, int key)
{
    if (screen->mode == MODE_FILTER) {
        key_in_filter(screen, key);
        return;
    }
    if (key_moves(screen, key))
        return;
    if ((key == '?' || key == 'h') && screen->mode == MODE_ROWS)
        enter(screen, MODE_HELP);
    else if (screen->mode == MODE_ROWS)
        key_in_rows(screen, key);
    else if (key == 'q' || key == KEY_ESCAPE || key == KEY_LEFT)
        enter(screen, MODE_ROWS);
    else if (key == 'd' && screen->mode == MODE_DETAIL)
        diagnose(screen);
}
