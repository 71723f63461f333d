#include <stdio.h>
#include <unistd.h>

static void print_report(int number)
{
    fprintf(stderr, "frame=%5d fps= 15 q=-1.0 size=    1794kB time=00:04:16.20 bitrate=  57.4kbits/s\r", number);
}

int main(void)
{
    for (int number = 0; number < 4000; number++) {
        print_report(number);
        //MEND usleep(400);
    }
    return 0;
}
