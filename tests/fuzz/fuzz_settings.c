// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are an environment, its variables ended by NUL; a name is the first
// byte's, so that each setting is met, and whole names may come, too: JOURNAL_STREAM as systemd
// sets it. Each is asked for as a change as well (`pipeshim set`): what comes so is another
// process's text.
//   make fuzz [FUZZ_SECONDS=60]
#include <string.h>

#include "config/change.h"
#include "config/settings.h"
#include "report/log_journal.h"
#include "report/log_path.h"
#include "seeds.h"

enum { VARIABLES = 64, VARIABLE_LIMIT = 4096 };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const values[] = {"250us",  "1.5s",       "64M",    "10/s",
                                         "75%",    "stderr,7,2", "all",    "auto",
                                         "exec:x", "a*,[!b-d]?", "canary", ""};
    static const char environment[] =
        "\xff"
        "PIPESHIM_PRESET=ci\0"
        "\xff"
        "PIPESHIM_TRESHOLD=1s\0"
        "\xff"
        "=\0"
        "\xff"
        "JOURNAL_STREAM=9:4711\0"
        "\xff"
        "threshold_of_a_name_that_is_longer_than_all_that_there_are_and_goes_on=1";
    (void)argc;
    (void)argv;
    for (unsigned id = 0; id < SETTING_COUNT; id++) {
        char seed[256];
        int length = snprintf(seed, sizeof seed, "%c%s", (char)id,
                              values[id % (sizeof values / sizeof *values)]);
        write_seed(id, seed, (size_t)length);
    }
    write_seed(SETTING_COUNT, environment, sizeof environment - 1);
    return 0;
}

static void complain(const char *line, void *context)
{
    unsigned *lines = context;
    (*lines)++;
    for (; *line; line++)
        if ((unsigned char)*line < ' ' || *line == 0x7f)
            abort(); /* one line, and no command for a terminal */
}

static void change(const struct settings *before, const char *assignment)
{
    static struct settings settings;
    char said[512];
    struct text_buffer answer;
    struct setting_change change;
    text_init(&answer, said, sizeof said);
    bool accepted = setting_change_read(assignment, &change, &answer);
    size_t length = strlen(said);
    for (size_t i = 0; i < length; i++)
        if (((unsigned char)said[i] < ' ' || said[i] == 0x7f) && said[i] != '\n')
            abort();
    if (!accepted && length == 0)
        abort(); /* refused without a word */
    memcpy(&settings, before, sizeof settings);
    if (accepted && settings_change_fits(&settings, &change, 1, &answer))
        settings_change(&settings, &change, 1);
}

static const char *name_of_host(void)
{
    return "host";
}

/* systemd's variable; of just its size: AddressSanitizer sees one byte more. */
static void ask_for_stream(const char *variable)
{
    static const struct stat stream = {.st_dev = 9, .st_ino = 4711};
    char *copy = strdup(variable);
    char *const variables[] = {copy, NULL};
    if (!copy)
        abort();
    log_journal_is_stream(variables, &stream);
    free(copy);
}

static void find_log(const struct settings *of)
{
    char path[LOG_PATH_LIMIT];
    log_path_expand(of->text[SETTING_LOG], "/before", name_of_host, name_of_host, 7, path);
    if (!memchr(path, '\0', sizeof path))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct settings settings;
    static char texts[VARIABLES][VARIABLE_LIMIT];
    char *variables[VARIABLES + 1];
    unsigned count = 0, lines = 0;
    for (size_t at = 0; at < size && count < VARIABLES;) {
        const uint8_t *end = memchr(data + at, 0, size - at);
        size_t next = end ? (size_t)(end - data) : size;
        int length = (int)(next - at) - 1;
        if (length >= 0) {
            const char *value = (const char *)data + at + 1;
            bool whole = data[at] == 0xff;
            snprintf(texts[count], VARIABLE_LIMIT, "%s%s%.*s",
                     whole ? "" : setting_name((enum setting_id)(data[at] % SETTING_COUNT)),
                     whole ? "" : "=", length, value);
            variables[count] = texts[count];
            count++;
        }
        at = next + 1;
    }
    variables[count] = NULL;
    for (unsigned i = 0; i < count; i++)
        ask_for_stream(variables[i]);
    struct program_names names = {.executable = "engine", .invoked = "e", .script = "s.py"};
    settings_ask_for_names(variables);
    settings_read(&settings, variables, &names, false, complain, &lines);
    if (!settings_are_active(&settings))
        return 0; /* of a program that is left out no more is read */
    for (int id = 0; id < SETTING_COUNT; id++)
        if (strlen(settings.text[id]) >= SETTINGS_TEXT_LIMIT)
            abort();
    find_log(&settings);
    settings_is_loop_name(&settings, "worker");
    for (int class = 0; class < CLASS_COUNT; class ++)
        settings_threshold_ns(&settings, (enum call_class) class);
    settings_stack_depth(&settings);
    for (unsigned i = 0; i < count; i++)
        change(&settings, variables[i]);
    return 0;
}
