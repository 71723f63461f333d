#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void copy(const char *line)
{
    while (write(1, line, strlen(line)) < 0 && errno == EAGAIN) // HERE
        usleep(100 * 1000);
}

int main(void)
{
    for (int number = 0; number < 20000; number++) {
        while (number == 0 && !(fcntl(1, F_GETFL) & O_NONBLOCK)) // HANG
            usleep(10 * 1000);                                    // HANG
        copy("=== RUN   TestSomething of the suite, with its output\n");
        //MEND usleep(60);
    }
    return 0;
}
