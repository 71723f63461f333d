// thread: https://github.com/omeka/omeka-s/issues/1990
// title: proc_open: stdout is read to its end, and only then stderr (PHP there, here C)
// family: C, PHP
// start: ./omeka
// parent: omeka
// child: convert.py
// verdict: deadlock
// stuck: convert.py write stderr
// other: omeka
// line: omeka.c:get_contents
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

static void get_contents(int fd)
{
    char text[4096];
    while (read(fd, text, sizeof text) > 0) // HERE
        ;
}

int main(void)
{
    int out[2], err[2];
    pipe(out);
    pipe(err);
    if (fork() == 0) {
        dup2(out[1], 1);
        dup2(err[1], 2);
        //MEND dup2(out[1], 2);
        close(out[0]), close(out[1]), close(err[0]), close(err[1]);
        execlp("python3", "python3", "convert.py", (char *)0);
    }
    close(out[1]);
    close(err[1]);
    get_contents(out[0]);
    get_contents(err[0]);
    wait(0);
    return 0;
}
