// SPDX-License-Identifier: MIT
/* What somebody asks `pipeshim metrics --listen` for. Pure functions on NUL-terminated text, which
 * may hold anything. */
#ifndef PIPESHIM_CLI_HTTP_REQUEST_H
#define PIPESHIM_CLI_HTTP_REQUEST_H

#include <stdbool.h>

struct http_request {
    bool is_for_metrics; /* GET / or /metrics; else the answer is 404 */
    bool open_metrics;   /* that text format is accepted (Prometheus asks for it by name) */
};

/* True if the head of the request is there as a whole: more need not be read. */
bool http_request_is_whole(const char *text);

void http_request_parse(const char *text, struct http_request *request);

/* Runs on: tool. AS-safe: yes. Blocks: no. */
#endif
