// thread: https://github.com/famzah/popen-noshell/issues/7
// title: the second child inherits the writing end of the first one's stdin: the first never ends
// family: C
// start: ./archive
// parent: archive
// child: zip
// verdict: deadlock
// stuck: zip read stdin
// other: archive
// line: archive.c:pclose_first
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static int writer[2];
static int pid[2];

static void popen_write(int i)
{
    int fd[2];
    pipe(fd);
    pid[i] = fork();
    if (pid[i] == 0) {
        dup2(fd[0], 0);
        close(fd[0]);
        close(fd[1]);
        execl("./zip", "zip", (char *)0);
    }
    close(fd[0]);
    writer[i] = fd[1];
    //MEND fcntl(fd[1], F_SETFD, FD_CLOEXEC);
}

static void pclose_first(void)
{
    close(writer[0]);
    waitpid(pid[0], 0, 0); // HERE
}

int main(void)
{
    popen_write(0);
    popen_write(1);
    pclose_first();
    close(writer[1]);
    waitpid(pid[1], 0, 0);
    return 0;
}
