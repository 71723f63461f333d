// SPDX-License-Identifier: MIT
#include "explain/perl/perl_walk.h"

#include <stddef.h>
#include <string.h>

#include "base/text_buffer.h"

/* From Perl's headers (intrpvar.h, cop.h), for every LP64 machine: no member before these has a
 * size that depends on the architecture. */
struct perl_layout {
    unsigned char first, last;           /* versions 5.first to 5.last */
    unsigned short statement, stackinfo; /* of the interpreter: curcop, curstackinfo */
    unsigned short context_size, sub;    /* of a context: its size, blk_sub.cv */
};

static const struct perl_layout layouts[] = {
    {28, 30, 224, 240, 96, 64},
    {32, 32, 224, 240, 104, 72},
    {34, 42, 208, 224, 104, 72},
};

enum { /* the same in all of them */
       OP_FUNCTION = 16,
       OP_TYPE = 32,
       OP_TYPE_MASK = 0x1ff,
       COP_LINE = 36,
       COP_FILE = 48,
       COP_SIZE = 56,
       STACKINFO_CONTEXTS = 8,
       STACKINFO_PREVIOUS = 16,
       STACKINFO_TOP = 32,
       STACKINFO_SIZE = 40,
       CONTEXT_TYPE_MASK = 0xf,
       CONTEXT_SUB = 9,
       CONTEXT_FORMAT = 10,
       CONTEXT_EVAL = 11,
       CONTEXT_STATEMENT = 16, /* the caller's */
       SUB_NAME = 56,          /* of a CV's body: its GV, or with SUB_HAS_KEY a key */
       SUB_FLAGS = 92,
       SUB_HAS_KEY = 0x8000,
       GLOB_KEY = 32,
       KEY_LENGTH = 4,
       KEY_TEXT = 8,
};

enum {
    CONTEXT_LIMIT = 128, /* that are looked at: a recursion may be a million deep */
    STACK_LIMIT = 16,    /* one for each sort block, destructor, signal handler inside another */
    LINE_LIMIT = 1 << 24,
};

struct walk {
    const struct memory_reader *reader;
    const struct perl_runtime *runtime;
    struct perl_place *place;
    bool found;              /* the innermost one is in `place` */
    struct perl_place at;    /* the statement that the walk has come to */
    struct perl_place outer; /* the one that a context was entered from */
    unsigned contexts;
};

const struct perl_layout *perl_layout_find(unsigned version)
{
    for (unsigned i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        /* Odd ones are of developers. */
        if (version >= layouts[i].first && version <= layouts[i].last && version % 2 == 0)
            return &layouts[i];
    }
    return NULL;
}

static uint64_t word_at(const unsigned char *bytes, size_t offset)
{
    uint64_t word;
    memcpy(&word, bytes + offset, sizeof word);
    return word;
}

static int32_t number_at(const unsigned char *bytes, size_t offset)
{
    int32_t number;
    memcpy(&number, bytes + offset, sizeof number);
    return number;
}

static uintptr_t read_pointer(const struct walk *walk, uintptr_t address)
{
    uint64_t word = 0;
    return memory_read(walk->reader, address, &word, sizeof word) ? (uintptr_t)word : 0;
}

/* Its type is that of a statement by Perl's own table of names, also of one that `perl -d` stops
 * at, and it is executed by the function that Perl has for that type. */
static bool is_statement(const struct walk *walk, const unsigned char cop[COP_SIZE])
{
    char name[16];
    unsigned type = (unsigned)word_at(cop, OP_TYPE) & OP_TYPE_MASK;
    uintptr_t function = read_pointer(walk, walk->runtime->functions + type * sizeof(uint64_t));
    uintptr_t text = read_pointer(walk, walk->runtime->names + type * sizeof(uint64_t));
    return function != 0 && function == word_at(cop, OP_FUNCTION) &&
           memory_read_string(walk->reader, text, name, sizeof name) &&
           (strcmp(name, "nextstate") == 0 || strcmp(name, "dbstate") == 0);
}

static bool read_statement(const struct walk *walk, uintptr_t address, struct perl_place *place)
{
    unsigned char cop[COP_SIZE];
    if (address == 0 || !memory_read(walk->reader, address, cop, sizeof cop))
        return false;
    if (!is_statement(walk, cop)) /* what is being compiled is none */
        return false;
    place->line = number_at(cop, COP_LINE);
    return place->line > 0 && place->line < LINE_LIMIT &&
           memory_read_string(walk->reader, (uintptr_t)word_at(cop, COP_FILE), place->file,
                              sizeof place->file) &&
           place->file[0] != '\0';
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), size = strlen(end);
    return length >= size && strcmp(text + length - size, end) == 0;
}

static bool is_users(const char *file)
{
    static const char parts[][14] = {"/perl/5.", "/perl5/", "/perl-base/", "/site_perl/",
                                     "/vendor_perl/"};
    if (file[0] == '(') /* the text of an eval */
        return false;
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (ends_with(file, ".pm") && strstr(file, parts[i]))
            return false;
    }
    return true;
}

/* Where the name of a subroutine stands in Perl's table of strings; 0: not to be read. */
static uintptr_t find_key(const struct walk *walk, uintptr_t sub)
{
    uint32_t flags;
    uintptr_t body = read_pointer(walk, sub);
    if (body == 0 || !memory_read(walk->reader, body + SUB_FLAGS, &flags, sizeof flags))
        return 0;
    uintptr_t name = read_pointer(walk, body + SUB_NAME);
    if (name == 0 || (flags & SUB_HAS_KEY))
        return name;
    uintptr_t glob = read_pointer(walk, name);
    return glob != 0 ? read_pointer(walk, glob + GLOB_KEY) : 0;
}

static void read_name(const struct walk *walk, uintptr_t sub, char name[PERL_FUNCTION_LIMIT])
{
    struct text_buffer text;
    int32_t length;
    uintptr_t key = sub != 0 ? find_key(walk, sub) : 0;
    if (key != 0 && memory_read(walk->reader, key + KEY_LENGTH, &length, sizeof length) &&
        length > 0 && length < PERL_FUNCTION_LIMIT &&
        memory_read(walk->reader, key + KEY_TEXT, name, (size_t)length) &&
        memchr(name, '\0', (size_t)length) == NULL) {
        name[length] = '\0';
        return;
    }
    text_init(&text, name, PERL_FUNCTION_LIMIT);
    text_string(&text, "<function>");
}

/* True: this is the place that is sought. The innermost one is kept until then. */
static bool is_it(struct walk *walk)
{
    bool users = is_users(walk->at.file);
    if (users || !walk->found)
        *walk->place = walk->at;
    walk->found = true;
    return users;
}

static bool set_function(struct walk *walk, const char *name)
{
    struct text_buffer text;
    text_init(&text, walk->at.function, sizeof walk->at.function);
    text_string(&text, name);
    return is_it(walk);
}

/* One context, outwards. False: the walk ends here, with `place` as it is. */
static bool leave_context(struct walk *walk, uintptr_t address)
{
    unsigned char context[128];
    const struct perl_layout *layout = walk->runtime->layout;
    if (++walk->contexts > CONTEXT_LIMIT ||
        !memory_read(walk->reader, address, context, layout->context_size))
        return false;
    unsigned type = context[0] & CONTEXT_TYPE_MASK;
    if (type != CONTEXT_SUB && type != CONTEXT_FORMAT && type != CONTEXT_EVAL)
        return true;
    bool readable =
        read_statement(walk, (uintptr_t)word_at(context, CONTEXT_STATEMENT), &walk->outer);
    if (type == CONTEXT_EVAL) {
        /* `eval {}` is inside of its function; a file that is required, and the text of an eval,
         * are none. */
        if (readable && strcmp(walk->outer.file, walk->at.file) == 0)
            return true;
        if (set_function(walk, "main"))
            return false;
    } else {
        read_name(walk, type == CONTEXT_SUB ? (uintptr_t)word_at(context, layout->sub) : 0,
                  walk->at.function);
        if (is_it(walk))
            return false;
    }
    walk->at = walk->outer;
    return readable;
}

bool perl_walk(const struct memory_reader *reader, const struct perl_runtime *runtime,
               struct perl_place *place)
{
    const struct perl_layout *layout = runtime->layout;
    struct walk walk = {.reader = reader, .runtime = runtime, .place = place};
    uintptr_t interpreter = runtime->interpreter;
    if (!read_statement(&walk, read_pointer(&walk, interpreter + layout->statement), &walk.at))
        return false;
    uintptr_t stack = read_pointer(&walk, interpreter + layout->stackinfo);
    for (unsigned i = 0; i < STACK_LIMIT && stack != 0; i++) {
        unsigned char info[STACKINFO_SIZE];
        if (!memory_read(reader, stack, info, sizeof info))
            return walk.found;
        uintptr_t contexts = (uintptr_t)word_at(info, STACKINFO_CONTEXTS);
        for (int top = number_at(info, STACKINFO_TOP); top >= 0; top--) {
            if (!leave_context(&walk, contexts + (uintptr_t)(unsigned)top * layout->context_size))
                return walk.found;
        }
        stack = (uintptr_t)word_at(info, STACKINFO_PREVIOUS);
    }
    if (stack == 0) /* the outermost code has no context */
        set_function(&walk, "main");
    return walk.found;
}
