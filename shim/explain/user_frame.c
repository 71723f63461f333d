// SPDX-License-Identifier: MIT
#include "explain/user_frame.h"

#include <string.h>

#include "base/script_name.h"
#include "base/utf8.h"

bool python_file_is_library(const char *file)
{
    static const char parts[][16] = {"/site-packages/", "/dist-packages/", "/lib/python",
                                     "/lib64/python", "/lib/pypy"};
    if (strncmp(file, "<frozen ", 8) == 0)
        return true;
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strstr(file, parts[i]))
            return true;
    }
    return false;
}

int user_frame_python(const struct python_frame *frames, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (frames[i].file[0] != '\0' && !python_file_is_library(frames[i].file))
            return (int)i;
    }
    return -1;
}

bool javascript_file_is_user(const char *file)
{
    return file[0] != '\0' && strncmp(file, "node:", 5) != 0 && !strstr(file, "/node_modules/");
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 'a' - 'A';
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool javascript_file_path(const char *file, char *path, size_t capacity)
{
    static const char scheme[] = "file://";
    bool is_url = strncmp(file, scheme, sizeof scheme - 1) == 0;
    size_t size = 0;
    for (const char *at = is_url ? file + sizeof scheme - 1 : file; *at; at++) {
        int high = is_url && *at == '%' ? hex_digit(at[1]) : -1;
        int low = high >= 0 ? hex_digit(at[2]) : -1;
        if (size + 1 >= capacity)
            return false;
        path[size++] = low >= 0 ? (char)(high * 16 + low) : *at;
        at += low >= 0 ? 2 : 0;
    }
    path[size] = '\0';
    return path[0] == '/';
}

int user_frame_javascript(const struct javascript_frame *frames, unsigned count)
{
    int of_package = -1;
    for (unsigned i = 0; i < count; i++) {
        if (frames[i].file[0] == '\0' || strncmp(frames[i].file, "node:", 5) == 0)
            continue;
        if (javascript_file_is_user(frames[i].file))
            return (int)i;
        if (of_package < 0)
            of_package = (int)i;
    }
    return of_package;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* By the file's name: an installed library of the user's is the user's. */
static bool is_runtime(const char *module)
{
    static const char names[][12] = {
        "libc.so",  "libc-2",    "ld-linux",  "ld-2",      "libpthread",  "libstdc++", "libgcc_s",
        "libm.so",  "libdl",     "librt.so",  "libpython", "python",      "node",      "libnode",
        "libuv.so", "libjvm.so", "[vdso]",    "libglib-",  "libpipeshim", "perl",      "libperl",
        "libjava.", "libjli.so", "libnio.so", "libnet.so", "libruby",     "libphp"};
    static const char interpreters[][8] = {"java", "bash", "dash", "sh",
                                           "zsh",  "ksh",  "mksh", "ruby"};
    const char *name = path_last_part(module);
    for (unsigned i = 0; i < sizeof interpreters / sizeof *interpreters; i++) {
        if (strcmp(name, interpreters[i]) == 0)
            return true;
    }
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (starts_with(name, names[i]))
            return true;
    }
    return false;
}

/* Of "_$LT$TYPE$u20$as$u20$TRAIT$GT$" the one that has a crate, "std..io..Write": the type, or
 * where that is a parameter of the function the trait. */
static const char *rust_implementer(const char *name)
{
    const char *trait = strstr(name, "$u20$as$u20$"), *path = strstr(name, "..");
    const char *type = name + 5;
    if (starts_with(type, "$RF$"))
        type += 4;
    return trait && (!path || path > trait) ? trait + 12 : type;
}

/* The crate that a Rust symbol is of: in the older mangling after "_ZN" and a length; in the newer
 * one the first path that begins at a crate's root, "C", maybe a disambiguator "s…_", a length. */
static const char *rust_crate(const char *symbol)
{
    const char *name = starts_with(symbol, "_ZN") ? symbol + 3 : NULL;
    if (!name && starts_with(symbol, "_R")) {
        name = strchr(symbol, 'C');
        if (name && name[1] == 's')
            name = strchr(name, '_');
        name = name ? name + 1 : NULL;
    }
    if (!name)
        return "";
    name += strspn(name, "0123456789");
    return starts_with(name, "_$LT$") ? rust_implementer(name) : name;
}

/* Rust's libraries lie in the user's module. */
static bool is_rust_library(const char *symbol)
{
    static const char crates[][8] = {"std", "core", "alloc", "tokio"};
    const char *crate = rust_crate(symbol);
    for (unsigned i = 0; i < sizeof crates / sizeof *crates; i++) {
        const char *rest = crate + strlen(crates[i]);
        if (starts_with(crate, crates[i]) && (*rest == '.' || (*rest >= '0' && *rest <= '9')))
            return true;
    }
    return starts_with(symbol, "__rust_") || starts_with(symbol, "rust_begin_");
}

int user_frame_native(const struct stack_frame_name *frames, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (frames[i].symbol[0] != '\0' && !is_runtime(frames[i].module) &&
            !is_rust_library(frames[i].symbol))
            return (int)i;
    }
    return -1;
}

static void python_words(struct text_buffer *text, const struct python_frame *frame)
{
    text_printable(text, frame->file);
    text_char(text, ':');
    text_signed(text, frame->line);
    text_char(text, ' ');
    text_printable(text, frame->function);
}

static void javascript_words(struct text_buffer *text, const struct javascript_frame *frame)
{
    text_printable(text, frame->file);
    if (frame->line > 0) {
        text_char(text, ':');
        text_signed(text, frame->line);
    }
    text_char(text, ' ');
    text_printable(text, frame->function[0] ? frame->function : "<anonymous>");
}

static void native_words(struct text_buffer *text, const struct stack_frame_name *frame)
{
    if (frame->module[0]) {
        text_printable(text, path_last_part(frame->module));
        text_char(text, '+');
        text_hex(text, frame->offset);
        text_char(text, ' ');
    }
    text_printable(text, frame->symbol);
}

void user_frame_words(struct text_buffer *text, const struct python_frame *python,
                      unsigned python_count, const struct javascript_frame *javascript,
                      unsigned javascript_count, const struct stack_frame_name *frames,
                      unsigned frame_count)
{
    int user = user_frame_python(python, python_count);
    if (user >= 0) {
        python_words(text, &python[user]);
        return;
    }
    user = user_frame_javascript(javascript, javascript_count);
    if (user >= 0) {
        javascript_words(text, &javascript[user]);
        return;
    }
    user = user_frame_native(frames, frame_count);
    if (user >= 0)
        native_words(text, &frames[user]);
}

static void set_place(struct code_place *place, const char *file, int line, const char *function)
{
    struct text_buffer text;
    text_init(&text, place->file, sizeof place->file);
    text_string(&text, file);
    text_init(&text, place->function, sizeof place->function);
    text_string(&text, function);
    place->line = line > 0 ? line : 0;
}

void user_frame_place(struct code_place *place, const struct python_frame *python,
                      unsigned python_count, const struct javascript_frame *javascript,
                      unsigned javascript_count, const struct stack_frame_name *frames,
                      unsigned frame_count)
{
    int user = user_frame_python(python, python_count);
    if (user >= 0) {
        set_place(place, python[user].file, python[user].line, python[user].function);
        return;
    }
    user = user_frame_javascript(javascript, javascript_count);
    if (user >= 0) {
        set_place(place, javascript[user].file, javascript[user].line, javascript[user].function);
        return;
    }
    user = user_frame_native(frames, frame_count);
    set_place(place, "", 0, user >= 0 ? frames[user].symbol : "");
}
