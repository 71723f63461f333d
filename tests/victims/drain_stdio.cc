// SPDX-License-Identifier: MIT
/*
 * Lines through stdio and C++ streams onto a pipe that nobody reads:
 *   drain_stdio WAY LINES SAY_FD
 * Line i begins with its number and goes through WAY, or, "mixed", through the ways in turn. SAY_FD
 * is told "done" when the last call has returned. Ends with stdin, and what WAY left in a buffer is
 * flushed by exit().
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <err.h>
#include <errno.h>
#include <iomanip>
#include <iostream>
#include <string>
#include <unistd.h>
#include <wchar.h>

namespace
{
bool stream_line(std::ostream &stream, int number)
{
    stream << "line " << std::setw(6) << std::setfill('0') << number << ' ' << std::string(90, '.')
           << std::endl;
    return stream.good();
}

bool put_line(const std::string &way, int number)
{
    char line[128];
    std::snprintf(line, sizeof line, "line %06d %s", number, std::string(90, '.').c_str());
    std::string ended = std::string(line) + "\n";
    int length = static_cast<int>(ended.size());
    if (way == "cerr")
        return stream_line(std::cerr, number);
    if (way == "clog")
        return stream_line(std::clog, number);
    if (way == "cout")
        return stream_line(std::cout, number);
    if (way == "puts")
        return puts(line) >= 0 && fflush(stdout) == 0;
    if (way == "buffered" || way == "exit")
        return puts(line) >= 0;
    if (way == "dprintf")
        return dprintf(2, "%s\n", line) == length;
    if (way == "fprintf")
        return fprintf(stderr, "line %06d %s\n", number, line + 12) == length;
    if (way == "fwrite")
        return fwrite(ended.data(), 1, ended.size(), stderr) == ended.size();
    if (way == "putc") {
        for (char letter : ended)
            if (putc(letter, stderr) == EOF)
                return false;
        return true;
    }
    if (way == "perror" || way == "warn") {
        errno = ENOENT;
        way == "perror" ? perror(line) : warn("%s", line);
        return !ferror(stderr);
    }
    if (way == "wide")
        return fwprintf(stderr, L"line %06d %s\n", number, line + 12) == length;
    std::abort();
}
} // namespace

int main(int argc, char **argv)
{
    static const char *const turns[] = {"cerr", "puts",    "perror", "cout", "dprintf",
                                        "clog", "fprintf", "fwrite", "putc"};
    static char buffer[1 << 20];
    if (argc != 4)
        return 2;
    std::string way = argv[1];
    int lines = std::atoi(argv[2]);
    int say = std::atoi(argv[3]);
    if (way == "exit") // more than the pipe takes
        setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    if (way.rfind("unsynced ", 0) == 0) {
        std::ios::sync_with_stdio(false);
        way = way.substr(std::strlen("unsynced "));
    }
    bool good = true;
    for (int i = 0; i < lines; i++)
        good = put_line(way == "mixed" ? turns[i % 9] : way, i) && good;
    if (way != "exit")
        good = fflush(stdout) == 0 && good;
    if (write(say, good ? "done\n" : "fail\n", 5) != 5)
        return 3;
    char unused;
    while (read(0, &unused, 1) > 0)
        ;
    return good ? 0 : 1;
}
