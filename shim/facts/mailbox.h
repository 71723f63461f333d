// SPDX-License-Identifier: MIT
/*
 * The mailbox `pipeshim_mailbox` in the library's own memory, beside the page `pipeshim_status`:
 * who may write the process's memory (process_vm_writev: the rules of ptrace) puts a request there,
 * and the watchdog answers at its next look. Plain data with fixed places; the numbers are
 * little-endian.
 *
 * The asker writes `text` and `pid`, and last `request`, a number that it has made up. The library
 * writes `answer` and `accepted`, and last `answered`, that number. Both read the other's part as
 * foreign bytes.
 */
#ifndef PIPESHIM_FACTS_MAILBOX_H
#define PIPESHIM_FACTS_MAILBOX_H

#include <stdint.h>

enum {
    MAILBOX_TEXT = 1024,
    MAILBOX_ANSWER = 2048,
    MAILBOX_WORDS = 1024, /* of the first page of the library's file */
};

/* Which of these words the watchdog of process `pid` (in its own namespace) sleeps on as a futex:
 * who has the file mapped can wake it, to look into the mailbox. Not one for all: thousands of
 * sleepers on one word are in each other's way. */
static inline unsigned mailbox_word(int32_t pid)
{
    return (uint32_t)pid % MAILBOX_WORDS;
}

struct mailbox {
    uint64_t request;
    int32_t pid; /* whom it is for, in its own namespace: a forked child has its parent's mail */
    uint32_t unused;
    char text[MAILBOX_TEXT]; /* NAME=VALUE, one a line */
    uint64_t answered;
    uint32_t accepted;           /* all of it was done, else nothing */
    char answer[MAILBOX_ANSWER]; /* lines */
};

/* Runs on: any. Plain data. */
#endif
