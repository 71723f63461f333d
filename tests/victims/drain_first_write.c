// SPDX-License-Identifier: MIT
/* Writes a byte to a pipe of its own, by the first call that it makes, and asks whether it can be
 * read: 0 if it can. */
#include <poll.h>
#include <unistd.h>

int main(void)
{
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], "x", 1) != 1)
        return 2;
    struct pollfd readable = {ends[0], POLLIN, 0};
    return poll(&readable, 1, 0) == 1 ? 0 : 1;
}
