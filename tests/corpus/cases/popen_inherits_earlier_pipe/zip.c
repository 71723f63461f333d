#include <unistd.h>

int main(void)
{
    char text[4096];
    //MEND usleep(900 * 1000);
    while (read(0, text, sizeof text) > 0)
        ;
    return 0;
}
