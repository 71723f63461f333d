// SPDX-License-Identifier: MIT
/* What an interpreter runs, read from its command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/script_name.h"

enum { WORDS = 12 };

struct line {
    const char *expected; /* NULL: none */
    const char *words[WORDS];
};

static const char *next(void *context)
{
    const char *const **at = context;
    return **at ? *(*at)++ : NULL;
}

static void expect(const struct line *line)
{
    const char *const *at = line->words;
    const char *found = script_argument(next, &at);
    if (!line->expected) {
        assert_null(found);
    } else {
        assert_non_null(found);
        assert_string_equal(found, line->expected);
    }
}

static void of_interpreters(void **state)
{
    (void)state;
    static const struct line lines[] = {
        {"server.py", {"python3", "server.py", "--port", "1"}},
        {"/srv/a.py", {"/usr/bin/python3.11", "-u", "-W", "ignore", "/srv/a.py"}},
        {"http.server", {"python3", "-m", "http.server"}},
        {"x.js", {"node", "--inspect", "-r", "./hook.js", "x.js"}},
        {"i.ts", {"bun", "run", "i.ts"}},
        {"run.sh", {"-bash", "run.sh"}},
        {"a.jar", {"java", "-Xmx1g", "-jar", "a.jar"}},
        {"app.Main", {"java", "-cp", "lib", "app.Main"}},
        {"x.rb", {"ruby3.1", "x.rb"}},
        /* Several options in one word. */
        {"a.sh", {"bash", "--norc", "-euo", "pipefail", "a.sh"}},
        {"http.server", {"python3", "-um", "http.server", "80"}},
        {"http.server", {"python3", "-mhttp.server"}},
        {"c.py", {"python3", "-Wignore", "-uW", "ignore::c", "-Xdev", "c.py"}},
        {"x.pl", {"perl", "-wMstrict", "-i.e", "x.pl"}},
        {"e.rb", {"ruby", "-W:no-deprecated", "-rjson", "e.rb"}},
    };
    for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++)
        expect(&lines[i]);
}

static void of_others(void **state)
{
    (void)state;
    static const struct line lines[] = {
        {NULL, {"redis-server", "redis.conf"}},
        {NULL, {"bash", "/dev/fd/3"}}, /* was called "3" */
        {NULL, {"bash", "/proc/self/fd/12"}},
        {NULL, {"python3", "/dev/stdin", "x.py"}},
        {NULL, {"pythonista", "a.py"}}, /* begins like one */
        {NULL, {"python3", "-c", "print()", "a.py"}},
        {NULL, {"sh", "-c", "a b"}},
        {NULL, {"python3", "-Sc", "print()"}}, /* was called "print()" */
        {NULL, {"python3", "-cprint()", "a.py"}},
        {NULL, {"bash", "-euo", "pipefail", "-c", "a b"}},
        {NULL, {"bash", "-euxc", "a b"}},
        {NULL, {"bash", "-oc", "pipefail", "a b"}},
        {NULL, {"perl", "-lane", "print", "x"}},
        {NULL, {"ruby", "-ne", "puts", "x"}},
        {NULL, {"node", "-e", "1"}},
        {NULL, {"python3"}},
        {NULL, {"python3", "-", "x"}},
        {NULL, {"python3", "-m"}},
        {NULL, {"node", "-r"}},
        {NULL, {""}},
        {NULL, {NULL}},
    };
    for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++)
        expect(&lines[i]);
}

static void last_part(void **state)
{
    (void)state;
    assert_string_equal(path_last_part("/a/b.py"), "b.py");
    assert_string_equal(path_last_part("b.py"), "b.py");
    assert_string_equal(path_last_part("/a/"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_interpreters),
        cmocka_unit_test(of_others),
        cmocka_unit_test(last_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
