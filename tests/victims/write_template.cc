// SPDX-License-Identifier: MIT
// Writes more to its stdout than a pipe takes, from a member of a class template: a C++ program as
// it is, with names that only a compiler likes.
#include <map>
#include <string>
#include <vector>

#include <unistd.h>

namespace app
{
template <class Item> class Queue
{
    std::map<std::string, std::vector<Item>> items;

  public:
    __attribute__((noinline)) std::size_t push_all(const std::string &name, int fd)
    {
        static char bytes[200000];
        items[name].push_back(Item());
        ssize_t written = write(fd, bytes, sizeof bytes);
        return items.size() + static_cast<std::size_t>(written);
    }
};
} // namespace app

int main()
{
    app::Queue<std::map<std::string, std::vector<std::pair<std::string, long>>>> queue;
    return queue.push_all("lines", STDOUT_FILENO) == 0;
}
