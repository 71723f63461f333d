# SPDX-License-Identifier: MIT
"""A real systemd-journald, in a mount namespace of its own: /run and /var/log are empty there.
The test runs its programs inside by `inside()`, and reads back with journalctl."""
import json
import os
import shutil
import subprocess
import unittest

from pipeshim_case import DEADLINE_S, PipeshimCase, wait_until

JOURNALD = next((path for path in ("/lib/systemd/systemd-journald",
                                   "/usr/lib/systemd/systemd-journald") if os.path.exists(path)), None)
# stdin holds the namespace: it ends, and the daemon with it, when the test closes it.
HOLDER = """
mount -t tmpfs none /run && mount -t tmpfs none /var/log || exit 77
mkdir -p /run/systemd/journal
"$0" >/dev/null 2>&1 &
echo $!
cat >/dev/null
kill $! && wait
"""


class JournalCase(PipeshimCase):
    def begin_journal(self):
        """Starts the daemon; returns when it listens."""
        if not JOURNALD or not shutil.which("journalctl"):
            raise unittest.SkipTest("systemd-journald and journalctl are not installed")
        self.holder = subprocess.Popen(["unshare", "-m", "sh", "-c", HOLDER, JOURNALD], text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(self.end_journal)
        self.daemon = self.holder.stdout.readline().strip()
        if not self.daemon:
            raise unittest.SkipTest("mounting needs root")
        self.root = "/proc/%s/root" % self.daemon
        wait_until(lambda: os.path.exists(self.root + "/run/systemd/journal/socket"), "journal")

    def end_journal(self):
        self.holder.stdin.close()
        self.holder.wait(DEADLINE_S)
        self.holder.stdout.close()

    def inside(self, *command):
        return ["nsenter", "--mount=/proc/%s/ns/mnt" % self.daemon,
                "--wdns=" + os.getcwd()] + list(command)

    def entries(self, *matches):
        """What the journal has, as journalctl shows it."""
        subprocess.run(self.inside("journalctl", "--sync"), check=True, capture_output=True)
        shown = subprocess.run(self.inside("journalctl", "-o", "json", "--all", "--no-pager", *matches),
                               check=True, capture_output=True)
        return [json.loads(line) for line in shown.stdout.splitlines()]

    def wait_for_entries(self, *matches):
        return wait_until(lambda: self.entries(*matches), "entry " + " ".join(matches))
