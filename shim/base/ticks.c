// SPDX-License-Identifier: MIT
#include "base/ticks.h"

bool ticks_are_forbidden; /* child: kept, prctl(2) says it is inherited */
