#include <stdio.h>
#include <unistd.h>

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int number = 0; number < 3000; number++) {
        printf("64 bytes from 127.0.0.1: icmp_seq=%d ttl=64 time=0.03 ms\n", number);
        //MEND usleep(500);
    }
    return 0;
}
