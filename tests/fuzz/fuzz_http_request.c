// SPDX-License-Identifier: MIT
// libFuzzer target: the bytes are what a client of `pipeshim metrics --listen` has sent so far.
//   make fuzz [FUZZ_SECONDS=60]
#include <string.h>

#include "cli/http_request.h"
#include "seeds.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const seeds[] = {
        "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:9879\r\n"
        "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "HEAD /metrics HTTP/1.1\r\n\r",
        "GET /other HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
    };
    (void)argc;
    (void)argv;
    for (unsigned i = 0; i < sizeof seeds / sizeof *seeds; i++)
        write_seed(i, seeds[i], strlen(seeds[i]));
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_request request;
    char *text = as_string(data, size);
    bool whole = http_request_is_whole(text);
    if (whole && strlen(text) < 4)
        abort();
    memset(&request, 0xff, sizeof request);
    http_request_parse(text, &request);
    if (request.is_for_metrics && strncmp(text, "GET /", 5) != 0)
        abort(); /* other methods have no answer */
    /* What comes after a request changes nothing of it. */
    text[size / 2] = '\0';
    bool was_whole = http_request_is_whole(text);
    if (was_whole && !whole)
        abort();
    free(text);
    return 0;
}
