// SPDX-License-Identifier: MIT
/* Whether a command will run under the preload library, and if not, why. */
#ifndef PIPESHIM_CLI_RELAY_LOADABLE_H
#define PIPESHIM_CLI_RELAY_LOADABLE_H

/* NULL: nothing speaks against it. Else why the library will not see its writes: "is statically
 * linked". `command` is searched as execvp(3) does; of a script the interpreter counts. What cannot
 * be read counts as loadable. */
const char *loadable_why_not(const char *command);

/* Runs on: tool. AS-safe: no. Blocks: on files. */
#endif
