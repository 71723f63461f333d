#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Executables whose unwind tables are broken, one way each: the program is reported and goes on."""
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from pipeshim_case import PipeshimCase, symbols_of, victim  # noqa: E402

PT_GNU_EH_FRAME = 0x6474E550
CHAIN = ["inner", "middle", "outer", "main"]
SIZE = 300000
DAMAGES = 12


def section(path, name):
    """Offset in the file and size of a section."""
    listing = subprocess.run(["readelf", "-SW", path], check=True, capture_output=True,
                             text=True).stdout
    match = re.search(r" %s +\w+ +[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+)" % re.escape(name), listing)
    return int(match[1], 16), int(match[2], 16)


class HostileTables(PipeshimCase):
    def setUp(self):
        self.image = os.path.join(self.temporary_folder(), "write_deep")
        shutil.copy(victim("write_deep"), self.image)
        self.header, self.header_size = section(self.image, ".eh_frame_hdr")
        self.frames, self.frames_size = section(self.image, ".eh_frame")

    def patch(self, offset, data):
        """In a new file: one that has just been run may be busy for a while, as whoever looks at its
        process keeps that process's memory."""
        changed = self.image + ".new"
        shutil.copy(self.image, changed)
        with open(changed, "r+b") as file:
            file.seek(offset)
            file.write(data)
        os.replace(changed, self.image)

    def patch_segment(self, address):
        """Moves PT_GNU_EH_FRAME elsewhere."""
        with open(self.image, "rb") as file:
            head = file.read(64)
            table, = struct.unpack_from("<Q", head, 32)
            count, = struct.unpack_from("<H", head, 56)
            file.seek(table)
            segments = file.read(56 * count)
        for i in range(count):
            if struct.unpack_from("<I", segments, 56 * i)[0] == PT_GNU_EH_FRAME:
                self.patch(table + 56 * i + 16, struct.pack("<Q", address))

    def report(self):
        """The report of the blocked program, which then ends as it would without the library."""
        run = self.start(self.image)
        event = run.wait_for("blocked")[0]
        out, err, status = run.drain()
        self.assertEqual((len(out), err, status), (SIZE, b"", 0))
        return event

    def assert_goes_on(self):
        """What is reported begins with what is right, whatever the tables say of the rest."""
        event = self.report()
        symbols = symbols_of(event)
        self.assertEqual(event["call"], "fprintf")
        self.assertIn("inner", symbols)
        return symbols

    def test_healthy_twin(self):
        symbols = self.assert_goes_on()
        at = symbols.index("inner")
        self.assertEqual(symbols[at:at + 4], CHAIN)
        self.assertEqual(symbols[-1], "_start")

    def test_no_search_table(self):
        # What ld writes when it cannot sort; the entries are read one after the other.
        self.patch(self.header + 2, b"\xff\xff")
        symbols = self.assert_goes_on()
        at = symbols.index("inner")
        self.assertEqual(symbols[at:at + 4], CHAIN)

    def test_count_beyond_all_bounds(self):
        self.patch(self.header + 8, b"\xff\xff\xff\xff")
        self.assert_goes_on()

    def test_unknown_version_and_encodings(self):
        for head in (b"\x09\x1b\x03\x3b", b"\x01\x9b\x03\x3b", b"\x01\x1b\x0d\x3b"):
            self.patch(self.header, head)
            self.assert_goes_on()

    def test_rows_that_point_anywhere(self):
        rows = (self.header_size - 12) // 8
        self.patch(self.header + 12, struct.pack("<ii", -2 ** 31, 2 ** 31 - 1) * rows)
        self.assert_goes_on()

    def test_entries_of_all_ones_and_of_all_zeros(self):
        for byte in (b"\xff", b"\0"):
            self.patch(self.frames, byte * self.frames_size)
            self.assert_goes_on()

    def test_header_elsewhere(self):
        for address in (0, 1, 0x40, 2 ** 40, 2 ** 63, 2 ** 64 - 1):
            self.patch_segment(address)
            self.assert_goes_on()

    def test_damaged_at_random(self):
        seed = random.randrange(2 ** 32)
        print("seed", seed, file=sys.stderr)
        generator = random.Random(seed)
        with open(self.image, "rb") as file:
            file.seek(self.header)
            healthy = file.read(self.frames + self.frames_size - self.header)
        for _ in range(DAMAGES):
            damaged = bytearray(healthy)
            for _ in range(generator.choice((1, 4, 40, 400))):
                damaged[generator.randrange(len(damaged))] = generator.randrange(256)
            self.patch(self.header, bytes(damaged))
            self.assert_goes_on()


if __name__ == "__main__":
    sys.exit(unittest.main())
