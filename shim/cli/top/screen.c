// SPDX-License-Identifier: MIT
/* The live view on a terminal, as it is drawn: rows, one process in detail, the help. */
#include <curses.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/clock.h"
#include "cli/top/screen.h"

/* curses.h has macros of these names. */
#undef clear

enum {
    HEAD_LINES = 2,
    FOOT_LINES = 2,
    PAIR_STUCK = 1,
    PAIR_WARNING,
    ESCAPE_DELAY_MS = 25, /* an arrow begins with the same byte */
};

static const char help[] =
    "Keys\n"
    "\n"
    "  up down j k PgUp PgDn Home End   move\n"
    "  Enter     one process in detail: calls, chain, pipes, loops, threads and stacks\n"
    "  s         sort by the next of: worst, since, blocked, lag, queue, cpu, name, pid\n"
    "  /         only rows that hold a text (name, user, state, unit, container, call); Esc: all\n"
    "  a         hide and show rows that are ok\n"
    "  d         in detail: look at threads and stacks again\n"
    "  space     pause; + and - change the interval\n"
    "  ? h       this text\n"
    "  q Esc     back; in the rows q quits\n"
    "\n"
    "States, from the worst\n"
    "\n"
    "  DEADLOCK  processes wait for each other in a circle\n"
    "  STUCK     a wait that cannot end, or whose other end does not listen\n"
    "  BLOCKED   a call is over its threshold\n"
    "  LAG       an event loop is away for longer than its threshold\n"
    "  DRAINING  the drainer holds what a full pipe does not take\n"
    "  ok, new   nothing; nothing that could block was called yet\n"
    "\n"
    "(not watched): a process without the library that a finding of another one names.\n";

/* At most the rest of the line, by what each character takes on the screen. */
static void put(int y, int x, const char *text)
{
    wchar_t wide[VIEW_LINE];
    size_t count = mbstowcs(wide, text, VIEW_LINE - 1);
    int columns = COLS - x;
    size_t shown = 0;
    if (count == (size_t)-1) { /* the locale knows no such characters */
        for (count = 0; text[count] && count < VIEW_LINE - 1; count++)
            wide[count] = (text[count] & 0x80) ? L'?' : (wchar_t)text[count];
    }
    for (; shown < count; shown++) {
        int width = wcwidth(wide[shown]);
        if (width < 0) {
            wide[shown] = L'?';
            width = 1;
        }
        if (width > columns)
            break;
        columns -= width;
    }
    mvaddnwstr(y, x, wide, (int)shown);
}

static void put_painted(int y, const char *text, chtype paint)
{
    attron(paint);
    if (paint & A_REVERSE)
        mvhline(y, 0, ' ', COLS);
    put(y, 0, text);
    attroff(paint);
}

static chtype paint_of(const struct watched *process)
{
    enum process_state state = view_state(process);
    if (!has_colors() || COLOR_PAIRS <= PAIR_WARNING)
        return A_NORMAL;
    return state >= STATE_STUCK      ? COLOR_PAIR(PAIR_STUCK) | A_BOLD
           : state >= STATE_DRAINING ? COLOR_PAIR(PAIR_WARNING)
                                     : A_NORMAL;
}

size_t screen_page_size(const struct screen *screen)
{
    int size = LINES - FOOT_LINES -
               (screen->mode == MODE_ROWS || screen->mode == MODE_FILTER ? HEAD_LINES : 0);
    return size > 1 ? (size_t)size : 1;
}

/* The selection stays on its process while the rows move. */
static void follow_selection(struct screen *screen)
{
    const struct top *top = screen->top;
    for (size_t i = 0; i < top->shown_count; i++)
        if (top->shown[i]->pid == screen->pid)
            screen->selected = i;
    if (screen->selected >= top->shown_count)
        screen->selected = top->shown_count ? top->shown_count - 1 : 0;
    if (top->shown_count > 0)
        screen->pid = top->shown[screen->selected]->pid;
    size_t size = screen_page_size(screen);
    if (screen->selected < screen->first)
        screen->first = screen->selected;
    if (screen->selected >= screen->first + size)
        screen->first = screen->selected + 1 - size;
}

static void draw_foot(const struct screen *screen)
{
    const struct top *top = screen->top;
    char line[VIEW_LINE];
    if (screen->mode == MODE_FILTER)
        snprintf(line, sizeof line, "filter: %s_   Enter keeps it, Esc drops it", top->filter);
    else
        snprintf(line, sizeof line, "q quit  ? help  Enter detail  / filter%s%s  s sort: %s%s%s",
                 top->filter[0] ? ": " : "", top->filter, view_order_name(top->order),
                 top->hide_ok ? "  ok hidden" : "", screen->paused ? "  PAUSED" : "");
    put_painted(LINES - 1, line, A_REVERSE);
}

static void draw_rows(struct screen *screen)
{
    const struct top *top = screen->top;
    char line[VIEW_LINE], words[4 * STATUS_WORDS];
    unsigned columns = COLS > 0 ? (unsigned)COLS : 80;
    follow_selection(screen);
    view_totals(line, &top->list, top->shown, top->shown_count);
    put(0, 0, line);
    put_painted(1, view_heading(columns), A_BOLD);
    for (size_t i = 0; i < screen_page_size(screen) && screen->first + i < top->shown_count; i++) {
        const struct watched *process = top->shown[screen->first + i];
        bool chosen = screen->first + i == screen->selected;
        view_row(line, process, top->list.now_ns, columns);
        put_painted(HEAD_LINES + (int)i, line, paint_of(process) | (chosen ? A_REVERSE : A_NORMAL));
    }
    if (screen->selected < top->shown_count) {
        const struct watched *process = top->shown[screen->selected];
        if (process->named.by_pid == 0 && view_state(process) >= STATE_STUCK)
            put(LINES - 2, 0, view_printable(words, sizeof words, process->page.words));
    }
    draw_foot(screen);
}

/* Lines that are too long go on in the next one: `take` 0 counts them. */
static size_t draw_text(const char *text, size_t first, size_t size)
{
    size_t width = COLS > 1 ? (size_t)COLS : 1;
    size_t number = 0;
    char line[VIEW_LINE];
    if (width >= sizeof line)
        width = sizeof line - 1;
    while (*text) {
        size_t length = strcspn(text, "\n");
        do {
            size_t part = length < width ? length : width;
            while (part > 1 && part < length && ((unsigned char)text[part] & 0xc0) == 0x80)
                part--; /* not within a character */
            if (number >= first && number < first + size) {
                snprintf(line, sizeof line, "%.*s", (int)part, text);
                put((int)(number - first), 0, line);
            }
            number++;
            text += part;
            length -= part;
        } while (length > 0);
        text += *text == '\n';
    }
    return number;
}

static void draw_scrolled(struct screen *screen, const char *text, const char *foot)
{
    size_t size = screen_page_size(screen);
    size_t lines = draw_text(text, 0, 0);
    if (screen->first + size > lines)
        screen->first = lines > size ? lines - size : 0;
    draw_text(text, screen->first, size);
    put_painted(LINES - 1, foot, A_REVERSE);
}

static void draw_detail(struct screen *screen)
{
    size_t size = 0;
    const struct watched *process = watched_find(&screen->top->list, screen->pid);
    if (process) { /* else its last picture stays */
        char *text = NULL;
        FILE *out = open_memstream(&text, &size);
        if (out) {
            top_detail(screen->top, process, screen->diagnosis, out);
            if (fclose(out) == 0) {
                free(screen->text);
                screen->text = text;
            } else {
                free(text);
            }
        }
    }
    draw_scrolled(screen, screen->text ? screen->text : "out of memory\n",
                  process ? "q back  d look again  j k PgUp PgDn scroll"
                          : "the process has ended  q back");
}

void screen_say(const char *text)
{
    put_painted(LINES - 1, text, A_REVERSE);
    refresh();
}

void screen_draw(struct screen *screen)
{
    erase();
    if (screen->mode == MODE_DETAIL)
        draw_detail(screen);
    else if (screen->mode == MODE_HELP)
        draw_scrolled(screen, help, "q back  j k scroll");
    else
        draw_rows(screen);
    refresh();
}

static void run(struct screen *screen)
{
    struct top *top = screen->top;
    uint64_t due = clock_monotonic_ns() + top->interval_ns;
    uint64_t count = 1;
    while (!screen->quit && !top_stopped) {
        screen_draw(screen);
        uint64_t now = clock_monotonic_ns();
        timeout(due > now ? (int)((due - now) / NS_PER_MS) + 1 : 0);
        int key = getch();
        if (key != ERR)
            screen_take_key(screen, key); /* KEY_RESIZE: the next picture has the new size */
        if (clock_monotonic_ns() < due)
            continue;
        if (!screen->paused && top->refreshes && count++ >= top->refreshes)
            break;
        if (!screen->paused && !top_refresh(top))
            break;
        due = clock_monotonic_ns() + top->interval_ns;
    }
}

int top_screen(struct top *top)
{
    struct screen screen = {.top = top};
    const char *no_colour = getenv("NO_COLOR");
    setlocale(LC_CTYPE, "");
    set_escdelay(ESCAPE_DELAY_MS);
    SCREEN *terminal = newterm(NULL, stdout, stdin);
    if (!terminal) {
        const char *name = getenv("TERM");
        fprintf(stderr, "pipeshim top: the terminal '%s' (TERM) is not known here: plain text\n",
                name ? name : "");
        return -1;
    }
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    curs_set(0);
    if (!(no_colour && *no_colour) && has_colors()) {
        start_color();
        use_default_colors();
        init_pair(PAIR_STUCK, COLOR_RED, -1);
        init_pair(PAIR_WARNING, COLOR_YELLOW, -1);
    }
    run(&screen);
    endwin();
    delscreen(terminal);
    free(screen.diagnosis);
    free(screen.text);
    return 0;
}
