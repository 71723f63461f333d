// thread: https://github.com/sine-fdn/polytune/issues/61
// title: each party sends everything before it receives (TCP there, here a socketpair)
// family: C
// start: ./party
// parent: party
// verdict: deadlock
// stuck: party write *
// other: party
// line: party.c:broadcast
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char data[4 << 20];

static void broadcast(int fd, size_t size)
{
    for (size_t sent = 0; sent < size;)
        sent += write(fd, data + sent, size - sent); // HERE
    for (size_t got = 0; got < size;)
        got += read(fd, data, sizeof data);
}

int main(void)
{
    int fds[2];
    size_t size = sizeof data; // HANG
    //MEND size_t size = 1000;
    socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    //MEND sleep(1);
    int child = fork();
    close(fds[child == 0]);
    broadcast(fds[child != 0], size);
    wait(0);
    return 0;
}
