// thread: https://github.com/cesanta/mongoose/issues/188
// title: a CGI program reads stdin to its end, and holds the writing end of it itself
// family: C
// start: ./server
// parent: server
// child: cgi.py
// verdict: deadlock|eof_never
// stuck: cgi.py read stdin
// other: cgi.py
// line: server.c:handle_cgi_request
// unmet: line
#include <sys/wait.h>
#include <unistd.h>

static int fd_stdin[2];

static void spawn_process(void)
{
    if (fork() == 0) {
        dup2(fd_stdin[0], 0);
        close(fd_stdin[0]);
        //MEND close(fd_stdin[1]);
        execlp("python3", "python3", "cgi.py", (char *)0);
    }
}

static void handle_cgi_request(void)
{
    write(fd_stdin[1], "name=value", 10);
    close(fd_stdin[1]);
    wait(0); // HERE
}

int main(void)
{
    pipe(fd_stdin);
    spawn_process();
    close(fd_stdin[0]);
    handle_cgi_request();
    return 0;
}
