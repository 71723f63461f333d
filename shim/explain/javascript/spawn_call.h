// SPDX-License-Identifier: MIT
/*
 * The call in a JavaScript text that starts a certain program.
 *
 * When Node's event loop waits there is no frame of the call that started the child, and Node keeps
 * only what was started, not where. But a script that starts `python3 server.py` mostly says so in
 * its text. Comments are none of it, and what several calls could have started is not guessed.
 */
#ifndef PIPESHIM_EXPLAIN_JAVASCRIPT_SPAWN_CALL_H
#define PIPESHIM_EXPLAIN_JAVASCRIPT_SPAWN_CALL_H

#include <stdbool.h>

enum { COMMAND_WORDS_LIMIT = 16, SPAWN_NAME_LIMIT = 24 };

/* The command line of the process that was started. */
struct command_words {
    const char *word[COMMAND_WORDS_LIMIT];
    unsigned count;  /* at least 1 */
    unsigned needed; /* the word that tells it from others: its script, else 0, the program */
};

struct spawn_call {
    int line, column;            /* of the function's name; from 1 */
    char name[SPAWN_NAME_LIMIT]; /* "spawn" */
    bool generated;              /* the text has a source map */
};

/*
 * Reads the open file `fd` from its start and finds the one call of child_process (or of the MCP
 * SDK's transport) whose strings name that command: the needed word, and of a program that has
 * arguments and no script also one of these; where several do, the one that has most of the words.
 * False: there is none, or several have as many.
 */
bool spawn_call_find(int fd, const struct command_words *command, struct spawn_call *call);

/* Runs on: watchdog, tool. AS-safe: yes. Blocks: as long as the file's file system does. */
#endif
