// SPDX-License-Identifier: MIT
/* Inside the relay. */
#ifndef PIPESHIM_CLI_RELAY_RELAY_PROCESS_H
#define PIPESHIM_CLI_RELAY_RELAY_PROCESS_H

#include "cli/relay/relay_stream.h"
#include "cli/run_log.h"
#include "config/settings.h"

/* Says to `run`, over `control`. */
enum relay_word { RELAY_DONE = 'd', RELAY_GOES_ON = 'g' };

/* Relays until all is over. All other descriptors of `run` are closed here. */
_Noreturn void relay_process(const struct relay_stream *streams, unsigned count, int control,
                             const char *command, const struct settings *settings,
                             const struct run_log *log);

/* Runs on: the relay. AS-safe: no. Blocks: yes. */
#endif
