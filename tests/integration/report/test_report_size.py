# SPDX-License-Identifier: MIT
"""pipeshim report: a log with more of everything than its tables hold."""
import json
import os
import random
import resource
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../support"))
from log_maker import Process, frame, pipe  # noqa: E402
from report_case import TOOL, ReportTest  # noqa: E402


@unittest.skipIf(os.environ.get("SANITIZE", "") not in ("", "undefined"), "a sanitizer's memory is not the tool's")
class Size(ReportTest):
    MEGABYTES = int(os.environ.get("PIPESHIM_REPORT_TEST_MB", "50"))
    LIMIT_KIB = 100 * 1024

    def write_large_log(self):
        """More processes, threads, stacks and strings than the tables hold."""
        chance = random.Random(1)
        path, wanted, written = self.path("large"), self.MEGABYTES << 20, 0
        with open(path, "w", encoding="utf-8") as out:
            process = None
            start = 0
            while written < wanted:
                if process is None or process.seq > 400:
                    process = Process(chance.randrange(1, 4000000), f"program{chance.randrange(9999)}")
                    process.start(start)
                stack = [frame(f"function_{chance.randrange(200000)}", chance.randrange(1 << 30),
                               f"/opt/lib{chance.randrange(300)}.so") for _ in range(16)]
                process.call(start, 100 + chance.expovariate(0.01), tid=chance.randrange(1, 4000000),
                             stack=stack, object=f"pipe:[{chance.randrange(1 << 30)}]", fd=2,
                             pipe=pipe(chance.randrange(1 << 30)))
                if chance.random() < 0.5:
                    process.blocked(start + 1, tid=chance.randrange(1, 4000000))
                start += 0.001
                for event in process.events:
                    written += out.write(json.dumps(event) + "\n")
                process.events.clear()
        return path

    def run_measured(self, *arguments):
        """Runs the tool under a small process of its own: a child's peak begins with its parent's."""
        measure = ("import os, resource, sys\n"
                   "status = os.spawnv(os.P_WAIT, sys.argv[1], sys.argv[1:])\n"
                   "usage = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
                   "print(status, usage.ru_maxrss, usage.ru_utime + usage.ru_stime)\n")
        done = subprocess.run([sys.executable, "-c", measure, TOOL, "report", *arguments],
                              capture_output=True, check=True, timeout=280)
        status, peak_kib, seconds = done.stdout.split()
        self.assertEqual(int(status), 0, done.stderr)
        return int(peak_kib), float(seconds), done.stderr.decode()

    def test_memory_is_bounded_for_every_format(self):
        log = self.write_large_log()
        for form in ("text", "perfetto", "html"):
            peak_kib, seconds, said = self.run_measured("-f", form, "-o", self.path("out"), log)
            print(f"{self.MEGABYTES} MB as {form}: peak {peak_kib // 1024} MiB, {seconds:.1f} s of CPU",
                  file=sys.stderr)
            self.assertLess(peak_kib, self.LIMIT_KIB)
            self.assertIn("found no room in the tables", said)
            if form == "perfetto":
                with open(self.path("out"), encoding="utf-8") as out:
                    self.assertGreater(len(json.load(out)["traceEvents"]), 10000)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    unittest.main(verbosity=2)
