// SPDX-License-Identifier: MIT
/* Writes more than a pipe holds from a known depth: main, outer, middle, inner, fprintf. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 300000 };

static int inner(const char *text)
{
    int printed = fprintf(stdout, "%s", text);
    return printed == SIZE ? 0 : 1;
}

static int middle(const char *text)
{
    volatile char local[64] = {1};
    int status = inner(text);
    return status * local[0];
}

static int outer(const char *text)
{
    volatile int kept = middle(text);
    return kept;
}

int main(void)
{
    char *text = malloc(SIZE + 1);
    if (!text)
        return 2;
    memset(text, 'x', SIZE);
    text[SIZE] = 0;
    volatile int status = outer(text);
    free(text);
    return status;
}
