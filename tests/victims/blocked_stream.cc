// SPDX-License-Identifier: MIT
/* C++ streams stuck on a full stdout or stderr.   blocked_stream cout|cerr|unsynced
 * Ends with stdin. */
#include <fcntl.h>
#include <iostream>
#include <string>
#include <unistd.h>

static void fill(int fd)
{
    static char filling[4096];
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (write(fd, filling, sizeof filling) > 0)
        ;
    fcntl(fd, F_SETFL, flags);
}

static __attribute__((noinline)) bool stuck_here(std::ostream &stream)
{
    stream << "victim " << 42 << std::endl;
    return stream.good();
}

int main(int argc, char **argv)
{
    std::string name = argc > 1 ? argv[1] : "";
    if (name == "unsynced")
        std::ios::sync_with_stdio(false);
    bool on_stderr = name == "cerr";
    fill(on_stderr ? 2 : 1);
    bool good = stuck_here(on_stderr ? std::cerr : std::cout);
    (void)!write(on_stderr ? 1 : 2, good ? "good\n" : "bad\n", good ? 5 : 4);
    char unused;
    while (read(0, &unused, 1) > 0)
        ;
    return 7;
}
