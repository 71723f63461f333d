// SPDX-License-Identifier: MIT
#include "base/ticks.h"

bool ticks_are_forbidden;
