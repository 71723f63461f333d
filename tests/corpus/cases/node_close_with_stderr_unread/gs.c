#include <stdio.h>
#include <unistd.h>

static void warn(int page)
{
    fprintf(stderr, "   **** Warning: File has an invalid xref entry:  %d.  Rebuilding xref table.\n", page);
}

int main(void)
{
    for (int page = 0; page < 3000; page++) {
        warn(page);
        //MEND usleep(500);
    }
    return 0;
}
