// SPDX-License-Identifier: MIT
// The call in a JavaScript text that starts a program: found, or not guessed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "explain/javascript/spawn_call.h"

/* `python3 server.py --port 80`, whose script is its second word. */
static const struct command_words server = {
    .word = {"/usr/bin/python3", "server.py", "--port", "80"}, .count = 4, .needed = 1};
static const struct command_words with_path = {
    .word = {"node", "/srv/app/dist/worker.js"}, .count = 2, .needed = 1};
static const struct command_words plain = {.word = {"./gs"}, .count = 1};
static const struct command_words arguments = {.word = {"sleep", "30"}, .count = 2};
static const struct command_words shell = {
    .word = {"/bin/sh", "-c", "make all | tee log"}, .count = 3, .needed = 2};

static struct spawn_call call;

static int find(const struct command_words *command, const char *text)
{
    int file = memfd_create("script", MFD_CLOEXEC);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    bool found = spawn_call_find(file, command, &call);
    close(file);
    return found ? call.line : 0;
}

static void the_call_is_found(void **state)
{
    (void)state;
    assert_int_equal(find(&server, "\nconst c = spawn('python3', ['server.py'])\n"), 2);
    assert_int_equal(call.column, 11);
    assert_string_equal(call.name, "spawn");
    assert_false(call.generated);
    assert_int_equal(find(&server, "cp.execFile(process.env.PYTHON,\n ['server.py'], f)"), 1);
    assert_int_equal(find(&server, "exec(\"python3 server.py --port 80 2>&1\")"), 1);
    assert_int_equal(find(&server, "new StdioClientTransport({\n command: 'python3',\n"
                                   " args: [`server.py`] })"),
                     1);
    assert_int_equal(find(&with_path, "fork(path.join(__dirname, 'worker.js'))"), 1);
    assert_int_equal(find(&with_path, "\nspawn (\n process.execPath, // node\n ['worker.js'])"), 2);
    assert_int_equal(find(&with_path, "fork(resolve('../dist/worker.js'))"), 1);
    assert_int_equal(find(&plain, "const gs = spawn('./gs')"), 1);
    assert_int_equal(find(&arguments, "spawn('sh', ['-c', 'sleep 30 & echo launched'])"), 1);
    assert_int_equal(find(&shell, "\n\nexec('make all | tee log', () => {})"), 3);
    assert_string_equal(call.name, "exec");
}

static void of_several_the_one_that_has_more_of_its_words(void **state)
{
    (void)state;
    assert_int_equal(
        find(&server, "spawn('python3', ['other.py'])\nspawn('python3', ['server.py'])"), 2);
    assert_int_equal(find(&server, "spawn('x', ['server.py'])\n"
                                   "spawn('python3', ['server.py', '--port', '80'])"),
                     2);
    assert_int_equal(find(&server, "spawn('ls', [], () => {\n spawn('python3', ['server.py']) })"),
                     2);
}

static void nothing_is_guessed(void **state)
{
    (void)state;
    static const char twice[] = "spawn('python3', ['server.py'])\nspawn('python3', ['server.py'])";
    assert_int_equal(find(&server, twice), 0);
    assert_int_equal(find(&server, ""), 0);
    assert_int_equal(find(&server, "spawn(command, args)"), 0);
    assert_int_equal(find(&server, "spawn('python3', args)"), 0); /* of which script? */
    assert_int_equal(find(&server, "// spawn('python3', ['server.py'])"), 0);
    assert_int_equal(find(&server, "/* spawn('python3', ['server.py']) */"), 0);
    assert_int_equal(find(&server, "const text = \"spawn('python3', ['server.py'])\""), 0);
    assert_int_equal(find(&server, "log('server.py', 'python3')"), 0);
    assert_int_equal(find(&server, "spawn('node', () => log('server.py'))"), 0);
    assert_int_equal(find(&server, "spawn('node', function () { log('server.py') })"), 0);
    assert_int_equal(find(&server, "function spawn(a = 'server.py') {}"), 0);
    assert_int_equal(find(&server, "respawn('server.py')"), 0);
    assert_int_equal(find(&server, "spawn\n['server.py']"), 0);
    assert_int_equal(find(&server, "spawn('python3', ['server.py'"), 0); /* the text ends */
    assert_int_equal(find(&server, "spawn('python3', ['myserver.py'])"), 0);
    assert_int_equal(find(&server, "spawn('python3', ['old/server.py'])"), 0);
    assert_int_equal(find(&with_path, "fork('other/worker.js')"), 0);
    assert_int_equal(find(&server, "exec('cat myserver.py server.py.old')"), 0);
    assert_int_equal(find(&arguments, "spawn('sleep', ['5'])"), 0);
    assert_int_equal(find(&arguments, "spawn('sleep', [seconds])"), 0);
    assert_int_equal(find(&shell, "spawn('/bin/sh', ['-c', 'make none'])"), 0);
}

static void texts_that_lead_astray(void **state)
{
    (void)state;
    assert_int_equal(find(&plain, "const r = /['\"`(]/;\nspawn('gs')"), 2);
    assert_int_equal(find(&plain, "const r = /[/`]/;\nspawn('gs')"), 2);
    assert_int_equal(find(&plain, "const half = (a) / 2; // it's\nspawn('gs')"), 2);
    assert_int_equal(find(&plain, "const s = 'it\\'s (';\nspawn('gs')"), 2);
    assert_int_equal(find(&plain, "const s = `\n(\n`;\nspawn('gs')"), 4);
    assert_int_equal(find(&plain, "const s = 'not closed\nspawn('gs')"), 2);
    assert_int_equal(find(&plain, ")))\nspawn('gs')"), 2);
    assert_int_equal(find(&plain, "((((((((((\nspawn('gs')"), 2);
    assert_int_equal(find(&plain, "spawn(/* a */ 'gs' /* b */)\n//# sourceMappingURL=a.js.map"), 1);
    assert_true(call.generated);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_call_is_found),
        cmocka_unit_test(of_several_the_one_that_has_more_of_its_words),
        cmocka_unit_test(nothing_is_guessed),
        cmocka_unit_test(texts_that_lead_astray),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
