// thread: https://github.com/docker/docker-agent/pull/2462
// title: Wait() returns at the end of the pipes, which a backgrounded grandchild holds (Go there, here C)
// family: agents' shell tools
// start: ./agent
// parent: agent
// verdict: eof_never
// stuck: agent read *
// other: sleep
// line: agent.c:combined_output
#include <stdio.h>

static void combined_output(FILE *shell)
{
    char text[256];
    while (fgets(text, sizeof text, shell)) // HERE
        ;
}

int main(void)
{
    const char *command = "(exec sleep 30) & echo started"; // HANG
    //MEND const char *command = "sleep 1.7";
    FILE *shell = popen(command, "r");
    combined_output(shell);
    return pclose(shell) != 0;
}
