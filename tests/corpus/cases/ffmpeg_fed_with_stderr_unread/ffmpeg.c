#include <stdio.h>
#include <unistd.h>

static char frame[4096];

static void warn(int number)
{
    fprintf(stderr, "[swscaler @ 0x5581] deprecated pixel format used, frame %d\n", number);
}

int main(void)
{
    for (int number = 0; fread(frame, sizeof frame, 1, stdin) == 1; number++) {
        warn(number);
        //MEND usleep(700);
    }
    return 0;
}
