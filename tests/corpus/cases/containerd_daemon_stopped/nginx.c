#include <stdio.h>
#include <unistd.h>

static void log_request(int number)
{
    dprintf(1, "127.0.0.1 - - [04/Nov/2023:19:06:42 +0000] \"GET / HTTP/1.1\" 200 %d\n", number); // HERE
}

int main(void)
{
    for (int number = 0; number < 3000; number++) {
        log_request(number);
        //MEND usleep(600);
    }
    return 0;
}
