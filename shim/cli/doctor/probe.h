// SPDX-License-Identifier: MIT
/*
 * The proof: a program of this machine, under the library, stuck on a real pipe. Its parent reads
 * its stdout and never its stderr, as the programs do that the library is made for.
 */
#ifndef PIPESHIM_CLI_DOCTOR_PROBE_H
#define PIPESHIM_CLI_DOCTOR_PROBE_H

#include "cli/doctor/results.h"

/* Adds what came of it: does the library load, is a stuck write reported, is the deadlock proved,
 * with which facts. Takes about half a second, 20 seconds at most where nothing is reported. */
void probe_run(struct results *results, const char *library);

#endif
/* Runs on: the tool. AS-safe: no. Blocks: up to 20 s. */
