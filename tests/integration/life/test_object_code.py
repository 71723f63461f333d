#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the library's machine code must not do, read from the library itself."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from object_code import ObjectCode, in_tables, path_to
from pipeshim_case import LIBRARY

# Where the watchdog begins, and what it is handed (watchdog_thread_prepare()).
WATCHDOG = ("watchdog_entry", "watchdog_run")
# The drainer's helper is made by whoever sees that there is none; the self pointer is in the
# watchdog's own head, see watch/thread_memory.c.
SELF_POINTER = ("mov %fs:0x0,", "mrs ")
# Of libc: AT_PAGESZ, which is always there; errno is set only for what is not.
FROM_LIBC = {"getauxval"}
# In a table, and called by the thread that exits alone (struct finish_hooks).
OF_THE_EXIT = {"after_late_write"}


def for_program_threads(name):
    """What the watchdog stores in a pointer when the drainer is switched on late, and never calls."""
    return name.startswith("drained_") or name == "absent_function"


class ObjectCodeOfTheLibrary(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.code = ObjectCode(LIBRARY)
        # Called through a table; the doors' first way to libc is not the watchdog's.
        cls.watchdog = cls.code.reachable([*WATCHDOG, *(name for name in in_tables(LIBRARY)
                                                        if not name.startswith("resolve_")
                                                        and name not in OF_THE_EXIT)],
                                          stop=for_program_threads)

    def test_the_reader_finds_what_is_there(self):
        code = self.code
        self.assertGreater(len(code.functions), 300)
        self.assertTrue(set(code.reachable(["slot_claim"])) & {
            name for name, function in code.functions.items() if function.thread_pointer})
        self.assertIn("watchdog_thread_start", code.reachable(["write"]))
        self.assertGreater(code.deepest("write")[0], 64)
        self.assertIn("getauxval", set().union(*(function.outside for function in
                                                 code.functions.values())))

    def test_the_watchdog_has_no_thread_local_variables(self):
        found = self.watchdog
        self.assertIn("report_blocked", found)  # by a long way
        self.assertIn("lag_statistics", found)  # through a table
        uses = ["%s: %s" % (instruction, path_to(found, name)) for name in found
                for instruction in self.code.functions[name].thread_pointer
                if not instruction.startswith(SELF_POINTER)]
        self.assertEqual(uses, [])

    def test_the_watchdog_calls_nothing_of_libc(self):
        found = self.watchdog
        calls = ["%s: %s" % (call, path_to(found, name)) for name in found
                 for call in self.code.functions[name].outside - FROM_LIBC]
        self.assertEqual(calls, [])

    def test_the_drainers_helper_has_no_libc(self):
        """It has unmapped it, and with it whatever a call could find."""
        found = self.code.reachable(["helper_main"])
        self.assertIn("status_read", found)  # by a long way
        self.assertEqual({name for name in found if self.code.functions[name].outside}, set())
        uses = {name for name in found for instruction in self.code.functions[name].thread_pointer
                if not instruction.startswith(SELF_POINTER)}
        self.assertEqual(uses, set())

    def test_a_loops_wait_saves_one_register(self):
        """Each more is one more to be loaded before a return that the processor does not foretell."""
        if self.code.machine != "x86_64":
            self.skipTest("of the compiler's frame on x86_64")
        waits = ("poll", "ppoll", "select", "pselect", "epoll_wait", "epoll_pwait", "epoll_pwait2")
        self.assertEqual({name: self.code.functions[name].stack for name in waits},
                         dict.fromkeys(waits, 16))  # the return address and one register

    def test_the_library_imports_no_function_with_a_state(self):
        """String functions of libc may be anybody's: shim/main/strings.c."""
        outside = set()
        for function in self.code.functions.values():
            outside |= function.outside
        self.assertFalse({name for name in outside if name.startswith(("mem", "str"))}, outside)


if __name__ == "__main__":
    sys.exit(unittest.main())
