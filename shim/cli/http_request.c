// SPDX-License-Identifier: MIT
#include "cli/http_request.h"

#include <string.h>

bool http_request_is_whole(const char *text)
{
    return strstr(text, "\r\n\r\n") != NULL;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

void http_request_parse(const char *text, struct http_request *request)
{
    request->is_for_metrics = starts_with(text, "GET /metrics ") || starts_with(text, "GET / ");
    request->open_metrics = strstr(text, "application/openmetrics-text") != NULL;
}
