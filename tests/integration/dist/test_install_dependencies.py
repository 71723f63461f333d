#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""scripts/install-dependencies.sh on a machine that is bringing itself up to date: with an apt-get that
refuses as the real one does where somebody else holds a lock."""
import os
import shutil
import subprocess
import tempfile
import unittest

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.."))
LISTS = ("E: Could not get lock /var/lib/apt/lists/lock. It is held by process 4711 (apt-get)\n"
         "E: Unable to lock directory /var/lib/apt/lists/\n")
NO_NETWORK = "E: Failed to fetch http://deb.example/InRelease  Temporary failure resolving 'deb.example'\n"
# Says what it was called with; its first updates, as many as the file has lines, fail.
APT = """#!/bin/sh
echo "$*" >>"$FOLDER/calls"
case "$*" in *update*) ;; *) exit 0 ;; esac
if [ -s "$FOLDER/refusals" ]; then
    sed -i 1d "$FOLDER/refusals"
    cat "$FOLDER/said" >&2
    exit 100
fi
"""


@unittest.skipUnless(os.geteuid() == 0, "left out: asks for no password as root only")
class Locks(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pipeshim-apt-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.command("apt-get", APT)
        self.command("dpkg-query", "#!/bin/sh\nexit 1\n")
        self.command("sleep", "#!/bin/sh\n")

    def command(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(path, 0o755)

    def install(self, refusals, said, **more):
        for name, text in ("refusals", "no\n" * refusals), ("said", said), ("calls", ""):
            with open(os.path.join(self.folder, name), "w", encoding="ascii") as file:
                file.write(text)
        run = subprocess.run(["sh", os.path.join(TOP, "scripts/install-dependencies.sh"), "build"],
                             env={**os.environ, "PATH": self.folder + ":" + os.environ["PATH"],
                                  "FOLDER": self.folder, **more},
                             capture_output=True, text=True, timeout=120, check=False)
        with open(os.path.join(self.folder, "calls"), encoding="ascii") as file:
            calls = file.read().splitlines()
        return run, [line for line in calls if "update" in line], [line for line in calls if "install" in line]

    def test_that_of_the_lists_is_waited_for(self):
        run, updates, installs = self.install(3, LISTS)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertEqual((len(updates), len(installs)), (4, 1))
        # The one of dpkg is waited for by apt itself.
        self.assertRegex(installs[0], r"-o DPkg::Lock::Timeout=\d\d\d .*build-essential")

    def test_not_for_ever(self):
        run, updates, _ = self.install(1000, LISTS, APT_SECONDS="10")
        self.assertEqual((run.returncode, run.stderr), (1, LISTS))
        self.assertEqual(len(updates), 6)

    def test_another_refusal_is_said_at_once(self):
        run, updates, _ = self.install(1000, NO_NETWORK)
        self.assertEqual((run.returncode, run.stderr, len(updates)), (1, NO_NETWORK, 1))


if __name__ == "__main__":
    unittest.main(verbosity=2)
