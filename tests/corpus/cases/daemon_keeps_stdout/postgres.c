#include <unistd.h>

int main(void)
{
    int seconds = 30; // HANG
    //MEND int seconds = 3;
    sleep(seconds);
    return 0;
}
