#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The loops of real servers and libraries: redis under load, glib, libuv."""
import os
import shutil
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from loop_case import LoopCase  # noqa: E402
from pipeshim_case import symbols_of, wait_until  # noqa: E402

GLIB = """
#include <glib.h>
#include <unistd.h>
static int turns;
__attribute__((noinline)) static void blocked_here(void) { usleep(700000); }
static gboolean tick(gpointer loop)
{
    if (++turns == 20 && BLOCK)
        blocked_here();
    if (turns == 40)
        g_main_loop_quit(loop);
    return G_SOURCE_CONTINUE;
}
int main(void)
{
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    g_timeout_add(10, tick, loop);
    g_main_loop_run(loop);
    return 0;
}
"""
LIBUV = """
#include <unistd.h>
#include <uv.h>
static int turns;
__attribute__((noinline)) static void blocked_here(void) { usleep(700000); }
static void tick(uv_timer_t *timer)
{
    if (++turns == 20 && BLOCK)
        blocked_here();
    if (turns == 40)
        uv_timer_stop(timer);
}
int main(void)
{
    uv_timer_t timer;
    uv_timer_init(uv_default_loop(), &timer);
    uv_timer_start(&timer, tick, 10, 10);
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
"""
LUA = "local n = 0; while n < tonumber(ARGV[1]) do n = n + 1 end; return n"


def is_in_lua(lag):
    return any("lua" in frame["module"] + str(frame.get("symbol")) for frame in lag["stack"])


class Servers(LoopCase):
    def compile(self, text, package, block):
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", package], capture_output=True,
                               text=True)
        if flags.returncode != 0:
            self.skipTest(package + " is not installed")
        folder = self.temporary_folder()
        source, program = os.path.join(folder, "loop.c"), os.path.join(folder, "loop")
        with open(source, "w", encoding="utf-8") as file:
            file.write(text)
        subprocess.run(["cc", "-g", "-O1", "-DBLOCK=%d" % block, source, "-o", program,
                        *flags.stdout.split()], check=True)
        return program

    def check_library(self, text, package):
        blocked = self.start(self.compile(text, package, 1))
        silent = self.start(self.compile(text, package, 0))
        event = blocked.wait_for("blocked")[0]
        self.assertEqual((event["class"], event["call"], event["loop"]), ("sleep", "usleep", True))
        self.assertIn("blocked_here", symbols_of(event))
        self.assertEqual((blocked.drain()[2], silent.drain()[2]), (0, 0))
        self.check_story(blocked, event, "sleep")
        self.assert_silent(silent)

    def test_glib(self):
        self.check_library(GLIB, "glib-2.0")

    def test_libuv(self):
        self.check_library(LIBUV, "libuv")

    def start_redis(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        run = self.start("redis-server", "--port", port, "--save", "", "--appendonly", "no",
                         "--enable-debug-command", "yes")
        run.begin_drain()
        self.ask = lambda *words: subprocess.run(["redis-cli", "-p", port, *words],
                                                 capture_output=True, text=True).stdout.strip()
        wait_until(lambda: self.ask("ping") == "PONG", "redis")
        return run, port

    @unittest.skipUnless(shutil.which("redis-server"), "redis is not installed")
    def test_redis(self):
        run, port = self.start_redis()
        load = subprocess.run(["redis-benchmark", "-p", port, "-t", "set,get", "-n", "20000", "-q"],
                              capture_output=True)
        self.assertEqual(load.returncode, 0)
        self.assertEqual(self.told(run), [])
        self.ask("debug", "sleep", "0.7")
        event = run.wait_for("blocked")[0]
        self.assertEqual(event["class"], "sleep")
        self.assertIn("debugCommand", symbols_of(event))
        run.wait_for("lag_end")
        self.ask("eval", LUA, "0", "30000000")
        # Beside other work there may have been lags before, for which redis got no CPU.
        lag = wait_until(lambda: [e for e in run.events("lag") if is_in_lua(e)], "lag in Lua")[0]
        self.assertIn(lag["cause"], ("cpu", "starved"))
        self.ask("shutdown", "nosave")
        self.assertEqual(run.finish()[2], 0)
        loops = run.events("summary")[-1]["loops"]
        self.assertEqual([loop["tid"] for loop in loops], [run.process.pid])
        self.assertGreater(loops[0]["turns"], 1000)


if __name__ == "__main__":
    sys.exit(unittest.main())
