// SPDX-License-Identifier: MIT
/* Which frame is the user's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "explain/user_frame.h"

static struct python_frame python[4];
static struct stack_frame_name native[4];

static void set_python(unsigned at, const char *file, int line, const char *function)
{
    strcpy(python[at].file, file);
    python[at].line = line;
    strcpy(python[at].function, function);
}

static void set_native(unsigned at, const char *module, const char *symbol)
{
    strcpy(native[at].module, module);
    strcpy(native[at].symbol, symbol);
    native[at].offset = 0x1257;
}

static const char *words(unsigned python_count, unsigned native_count)
{
    static char line[512];
    struct text_buffer text;
    text_init(&text, line, sizeof line);
    user_frame_words(&text, python, python_count, NULL, 0, native, native_count);
    return line;
}

static void python_before_libraries(void **state)
{
    (void)state;
    set_python(0, "/usr/lib/python3.11/subprocess.py", 1264, "Popen.wait");
    set_python(1, "/srv/venv/lib/python3.12/site-packages/httpx/_client.py", 9, "post");
    set_python(2, "<frozen runpy>", 88, "_run_code");
    set_python(3, "/srv/server.py", 5, "handle");
    assert_string_equal(words(4, 0), "/srv/server.py:5 handle");
    assert_string_equal(words(3, 0), ""); /* not guessed */
    set_python(0, "<string>", 1, "<module>");
    assert_string_equal(words(1, 0), "<string>:1 <module>");
    set_python(0, "a\x1b[2J.py", 1, "f\n");
    assert_null(strchr(words(1, 0), '\x1b'));
    assert_null(strchr(words(1, 0), '\n'));
}

static void native_outside_of_libc(void **state)
{
    (void)state;
    set_native(0, "/lib/x86_64-linux-gnu/libc.so.6", "write");
    set_native(1, "/srv/engine", "log_request");
    set_native(2, "/srv/engine", "main");
    assert_string_equal(words(0, 3), "engine+0x1257 log_request");
    assert_string_equal(words(0, 1), "");
    set_native(1, "/srv/engine", ""); /* no name: the next one says more */
    assert_string_equal(words(0, 3), "engine+0x1257 main");
    set_native(1, "/usr/bin/node", "uv__io_poll");
    assert_string_equal(words(0, 2), "");
    set_native(1, "/usr/bin/bash", "wait_for");
    assert_string_equal(words(0, 2), "");
    set_native(1, "/srv/bashful", "main"); /* no shell */
    assert_string_equal(words(0, 2), "bashful+0x1257 main");
    set_native(1, "/usr/lib/jvm/lib/libjava.so", "Java_java_lang_ProcessHandleImpl_waitForProcess");
    assert_string_equal(words(0, 2), "");
}

/* They lie in the program's own file. */
static void rust_outside_of_its_libraries(void **state)
{
    (void)state;
    static const char *const libraries[] = {
        "_RNvMs_NtNtNtNtCsjrHSEGnQ3l9_3std3sys7process4unix4unixNtB4_7Process4wait",
        "_ZN3std2io4Read11read_to_end17h0986d6140ed7ff3dE",
        "_ZN55_$LT$W$u20$as$u20$std..io..copy..BufferedWriterSpec$GT$9copy_"
        "from17h5bb700f2a7640db2E",
        "_ZN64_$LT$std..process..ChildStdin$u20$as$u20$std..io..Write$GT$"
        "5write17h0986d6140ed7ff3dE",
    };
    static const char *const users[] = {
        "_ZN8launcher11run_printer17h0986d6140ed7ff3dE",
        "_RNvCs1234_8launcher11run_printer",
        "_RINvCs1234_8launcher4feedNtNtCsjrHSEGnQ3l9_3std7process5ChildEB2_",
        "_ZN60_$LT$launcher..Log$u20$as$u20$std..io..Write$GT$5write17h0986d6140ed7ff3dE",
        "_ZN7stdlike4read17h0986d6140ed7ff3dE",
        "Context",
    };
    for (unsigned i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        set_native(0, "/srv/launcher", libraries[i]);
        assert_string_equal(words(0, 1), "");
    }
    for (unsigned i = 0; i < sizeof users / sizeof *users; i++) {
        set_native(0, "/srv/launcher", users[i]);
        assert_non_null(strstr(words(0, 1), users[i]));
    }
}

static void javascript_of_the_program(void **state)
{
    static struct javascript_frame frames[] = {
        {.readable = true, .file = "node:fs", .line = 9, .function = "writeSync"},
        {.readable = true, .function = "map"},
        {.readable = false},
        {.readable = true, .file = "/srv/node_modules/log/index.js", .line = 3, .function = "log"},
        {.readable = true, .file = "/srv/app\x1b[2J.js", .line = 7},
    };
    static char line[512];
    struct text_buffer text;
    (void)state;
    text_init(&text, line, sizeof line);
    user_frame_words(&text, NULL, 0, frames, 5, NULL, 0);
    assert_null(strchr(line, '\x1b'));
    assert_non_null(strstr(line, ".js:7 <anonymous>"));
    /* A program that is itself an installed package. */
    text_init(&text, line, sizeof line);
    user_frame_words(&text, NULL, 0, frames, 4, NULL, 0);
    assert_string_equal(line, "/srv/node_modules/log/index.js:3 log");
    text_init(&text, line, sizeof line);
    user_frame_words(&text, NULL, 0, frames, 3, NULL, 0);
    assert_string_equal(line, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(python_before_libraries),
        cmocka_unit_test(native_outside_of_libc),
        cmocka_unit_test(rust_outside_of_its_libraries),
        cmocka_unit_test(javascript_of_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
