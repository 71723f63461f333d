// SPDX-License-Identifier: MIT
#include "watch/companions.h"

#include "report/log_writer.h"
#include "watch/action_command.h"
#include "watch/metrics.h"

void companions_stop(void)
{
    log_writer_stop();
    metrics_stop();
    action_command_stop();
}
