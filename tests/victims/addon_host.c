// A program that loads Node's addons, as Deno, Bun and Electron do, and says nothing of its engine.
#include <unistd.h>

void napi_create_function(void);

__attribute__((visibility("default"))) void napi_create_function(void)
{
}

int main(void)
{
    return write(1, "x", 1) < 0;
}
