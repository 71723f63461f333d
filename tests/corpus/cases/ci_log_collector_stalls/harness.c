#include <stdio.h>
#include <unistd.h>

static void report(int number)
{
    printf("test storage::tests::case_%d ... ok\n", number);
    fflush(stdout);
}

int main(void)
{
    for (int number = 0; number < 4000; number++) {
        report(number);
        //MEND usleep(400);
    }
    return 0;
}
