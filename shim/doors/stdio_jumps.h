// SPDX-License-Identifier: MIT
/*
 * The door that libc's own stdio goes through.
 *
 * fprintf, fputs, perror, warn, std::cerr and the flush at exit reach write() inside libc, without
 * the PLT: no interposed name sees them. But every FILE on an fd has a table of functions, and both
 * tables are exported data: _IO_file_jumps and _IO_wfile_jumps. Their read and write entries are
 * replaced by ours, which record and call on. libc's own check of these tables (IO_validate_vtable,
 * libio/libioP.h) tests where the table is, not what is in it.
 *
 * Data only, and only if everything is as it should be: the read and write entries (14 and 15 of
 * the 21 of struct _IO_jump_t) hold the exported _IO_file_read and _IO_file_write in both tables.
 * Otherwise nothing is touched and the sampler sees stdio in its own way.
 */
#ifndef PIPESHIM_DOORS_STDIO_JUMPS_H
#define PIPESHIM_DOORS_STDIO_JUMPS_H

/* Installs the door; returns NULL, or in one sentence why not. In the constructor, once. */
const char *stdio_jumps_install(void);

/* Runs on: constructor. AS-safe: no. Blocks: no. */
#endif
