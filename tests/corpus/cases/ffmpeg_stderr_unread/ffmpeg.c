/* An encoder: frames to stdout, a line of progress for each to stderr. */
#include <stdio.h>
#include <unistd.h>

static char frame[4096];

static void print_report(int number)
{
    fprintf(stderr, "frame=%5d fps= 25 q=-1.0 size=%8dkB time=00:00:%02d.00 bitrate= 256.0kbits/s\r",
            number, number * 4, number % 60);
}

int main(void)
{
    for (int number = 0; number < 2000; number++) {
        print_report(number);
        fwrite(frame, sizeof frame, 1, stdout);
        //MEND usleep(700);
    }
    return 0;
}
