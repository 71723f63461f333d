#include <stdio.h>
#include <unistd.h>

static void server_log(int number)
{
    printf("L 11/15/2024 - 06:21:12: Server cvar \"mp_timelimit\" = \"%d\"\n", number);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int number = 0; number < 3000; number++) {
        server_log(number);
        //MEND usleep(500);
    }
    return 0;
}
