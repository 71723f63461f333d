// SPDX-License-Identifier: MIT
/*
 * Running a function on a stack of its own.
 *
 * A signal handler may run on an alternate stack of a few KiB (MINSIGSTKSZ is 2048 bytes, and the
 * kernel takes most of it for the registers), a coroutine on little more. What the library does
 * there beside the program's own need must fit in 2 KiB: a line of the log, the last words of a
 * process, the first of a child do not.
 */
#ifndef PIPESHIM_BASE_OTHER_STACK_H
#define PIPESHIM_BASE_OTHER_STACK_H

/* Calls function(argument) on 128 KiB of fresh stack, mapped for this call alone, with all signals
 * blocked: a handler that finds itself beside the alternate stack would be put on its top, over the
 * frames of the handler that has called this. Where the kernel has no memory it is called on the
 * caller's stack, unless that is an alternate one: then not at all. Costs some 5 us. The function
 * must return. */
void on_other_stack(void (*function)(void *), void *argument);

/* Runs on: any thread. AS-safe: yes. Blocks: as the function does. */
#endif
