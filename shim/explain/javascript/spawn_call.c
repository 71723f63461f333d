// SPDX-License-Identifier: MIT
#include "explain/javascript/spawn_call.h"

#include <string.h>

#include "base/raw_syscall.h"
#include "base/script_name.h"

enum { END = -1, CHUNK = 4096, LITERAL_LIMIT = 512, DEPTH_LIMIT = 8, COLUMN_LIMIT = 1 << 20 };

/* A call whose arguments are being read. */
struct site {
    struct spawn_call call;
    unsigned depth;   /* of its parenthesis */
    unsigned matched; /* bits of the command's words */
    bool closed;      /* a function began in its arguments: what follows is not what it starts */
};

struct scan {
    int fd;
    const struct command_words *command;
    char chunk[CHUNK];
    size_t at, end;
    int line, column; /* of the last character that was taken */
    unsigned depth;   /* open parentheses */
    int before;       /* the last character that is no space: a '/' after it divides, or not */
    bool defines;     /* `function` was the last word */
    bool generated;
    struct site pending; /* a name was read that a parenthesis may follow; name "": none */
    struct site sites[DEPTH_LIMIT];
    unsigned site_count;
    struct site best;
    unsigned best_score, best_count;
};

static int peek(struct scan *scan)
{
    if (scan->at == scan->end) {
        long length = raw_syscall(SYS_read, scan->fd, scan->chunk, sizeof scan->chunk);
        scan->at = 0;
        scan->end = length > 0 ? (size_t)length : 0;
    }
    return scan->at < scan->end ? (unsigned char)scan->chunk[scan->at] : END;
}

static int take(struct scan *scan)
{
    int c = peek(scan);
    if (c == END)
        return END;
    scan->at++;
    if (scan->column < COLUMN_LIMIT)
        scan->column++;
    if (c == '\n') {
        scan->line++;
        scan->column = 0;
    }
    return c;
}

static bool is_word(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$';
}

static bool is_space(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static const char *without_dots(const char *path)
{
    for (;;) {
        if (path[0] == '.' && path[1] == '/')
            path += 2;
        else if (path[0] == '.' && path[1] == '.' && path[2] == '/')
            path += 3;
        else
            return path;
    }
}

/* A path in the text, "./worker.js", is that of the command line, or the last part of what the
 * program made of it, "/srv/app/worker.js". */
static bool fits(const char *text, const char *word)
{
    if (strcmp(text, word) == 0)
        return true;
    text = without_dots(text);
    size_t length = strlen(text), size = strlen(word);
    return length > 0 && size > length && word[size - length - 1] == '/' &&
           strcmp(word + size - length, text) == 0;
}

/* Does the text of a shell have `word`? */
static bool has_word(const char *text, const char *word)
{
    static const char between[] = " \t\n;&|<>()'\"=";
    size_t length = strlen(word);
    for (const char *at = strstr(text, word); length > 0 && at; at = strstr(at + 1, word)) {
        if ((at == text || strchr(between, at[-1])) &&
            (at[length] == '\0' || strchr(between, at[length])))
            return true;
    }
    return false;
}

static void match_literal(struct scan *scan, const char *text)
{
    const struct command_words *command = scan->command;
    struct site *site = scan->site_count > 0 ? &scan->sites[scan->site_count - 1] : NULL;
    if (!site || site->closed || *text == '\0')
        return;
    bool is_shells = strchr(text, ' ') != NULL;
    for (unsigned i = 0; i < command->count; i++) {
        const char *word = command->word[i];
        if (fits(text, word) || (is_shells && has_word(text, i == 0 ? path_last_part(word) : word)))
            site->matched |= 1U << i;
    }
}

static void take_literal(struct scan *scan, int quote)
{
    char text[LITERAL_LIMIT];
    size_t length = 0;
    int c;
    while ((c = take(scan)) != END && c != quote && (quote == '`' || c != '\n')) {
        if (c == '\\')
            c = take(scan);
        if (c != END && length < sizeof text - 1)
            text[length++] = (char)c;
    }
    text[length] = '\0';
    match_literal(scan, text);
}

static void take_line_comment(struct scan *scan)
{
    static const char mark[] = "sourceMappingURL=";
    size_t seen = 0;
    int c;
    while ((c = peek(scan)) != END && c != '\n') {
        take(scan);
        if (seen < sizeof mark - 1)
            seen = c == mark[seen] ? seen + 1 : c == mark[0] ? 1 : 0;
    }
    scan->generated |= seen == sizeof mark - 1;
}

static void take_block_comment(struct scan *scan)
{
    take(scan);
    for (int c = take(scan); c != END; c = take(scan)) {
        if (c == '*' && peek(scan) == '/') {
            take(scan);
            return;
        }
    }
}

static void take_regular_expression(struct scan *scan)
{
    bool in_class = false;
    for (int c = peek(scan); c != END && c != '\n'; c = peek(scan)) {
        take(scan);
        if (c == '\\' && peek(scan) != '\n')
            take(scan);
        else if (c == '[' || c == ']')
            in_class = c == '[';
        else if (c == '/' && !in_class)
            return;
    }
}

/* True: it was a comment, which separates nothing. */
static bool take_slash(struct scan *scan)
{
    int next = peek(scan);
    if (next == '/') {
        take_line_comment(scan);
    } else if (next == '*') {
        take_block_comment(scan);
    } else {
        if (scan->before == END || strchr("(,=:[!&|?{};+", scan->before))
            take_regular_expression(scan);
        return false;
    }
    return true;
}

static bool starts_programs(const char *name)
{
    static const char names[][SPAWN_NAME_LIMIT] = {
        "spawn",    "spawnSync",    "exec", "execSync",
        "execFile", "execFileSync", "fork", "StdioClientTransport"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static void take_name(struct scan *scan, int first)
{
    struct site site = {.call = {.line = scan->line, .column = scan->column}};
    size_t length = 0;
    for (int c = first; is_word(c); c = is_word(peek(scan)) ? take(scan) : END) {
        if (length < sizeof site.call.name - 1)
            site.call.name[length] = (char)c;
        length++;
    }
    bool is_function = length == 8 && strcmp(site.call.name, "function") == 0;
    if (is_function && scan->site_count > 0)
        scan->sites[scan->site_count - 1].closed = true;
    scan->pending = (struct site){.depth = 0};
    if (length < sizeof site.call.name && !scan->defines && starts_programs(site.call.name))
        scan->pending = site;
    scan->defines = is_function;
}

static unsigned score_of(const struct scan *scan, unsigned matched)
{
    const struct command_words *command = scan->command;
    unsigned score = (unsigned)__builtin_popcount(matched);
    bool is_enough = command->needed > 0 || command->count == 1 || score > 1;
    return is_enough && (matched >> command->needed & 1) ? score : 0;
}

static void close_parenthesis(struct scan *scan)
{
    if (scan->site_count > 0 && scan->sites[scan->site_count - 1].depth == scan->depth) {
        const struct site *site = &scan->sites[--scan->site_count];
        unsigned score = score_of(scan, site->matched);
        if (score > scan->best_score) {
            scan->best = *site;
            scan->best_score = score;
            scan->best_count = 0;
        }
        scan->best_count += score > 0 && score == scan->best_score;
    }
    if (scan->depth > 0)
        scan->depth--;
}

static void open_parenthesis(struct scan *scan)
{
    scan->depth++;
    if (scan->pending.call.name[0] != '\0' && scan->site_count < DEPTH_LIMIT) {
        scan->pending.depth = scan->depth;
        scan->sites[scan->site_count++] = scan->pending;
    }
}

static void take_sign(struct scan *scan, int c)
{
    if (c == '(')
        open_parenthesis(scan);
    else if (c == ')')
        close_parenthesis(scan);
    else if (c == '\'' || c == '"' || c == '`')
        take_literal(scan, c);
    else if (c == '>' && scan->before == '=' && scan->site_count > 0)
        scan->sites[scan->site_count - 1].closed = true;
    scan->pending = (struct site){.depth = 0};
    scan->defines = scan->defines && c == '*'; /* of a generator */
}

bool spawn_call_find(int fd, const struct command_words *command, struct spawn_call *call)
{
    struct scan scan = {.fd = fd, .command = command, .line = 1, .before = END};
    for (int c = take(&scan); c != END; c = take(&scan)) {
        if (is_space(c) || (c == '/' && take_slash(&scan)))
            continue;
        if (is_word(c))
            take_name(&scan, c);
        else
            take_sign(&scan, c);
        scan.before = is_word(c) ? 'a' : c;
    }
    *call = scan.best.call;
    call->generated = scan.generated;
    return scan.best_count == 1;
}
