// SPDX-License-Identifier: MIT
/* The memory that a walk of a Node's JavaScript frames reads, to be walked again without it. */
#ifndef V8_RECORDING_H
#define V8_RECORDING_H

#include <stdint.h>

#include "explain/javascript/javascript_stack.h"

enum { RECORDED_PAGES = 512 };

struct v8_recording {
    struct javascript_runtime runtime;
    uint64_t frame_pointer; /* of an exit frame of V8 */
    unsigned count;
    uint64_t address[RECORDED_PAGES];
    unsigned char page[RECORDED_PAGES][V8_PAGE_SIZE];
};

#endif
