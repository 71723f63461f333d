#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The stacks of the other members of a deadlock, read by one of them, or by `diagnose`: C, C++ and
Node, asleep, nothing stopped; and what is said where they may not be read."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from diagnose_support import PIPESHIM  # noqa: E402
from nodes import find_nodes  # noqa: E402
from pipeshim_case import Run, read_text, victim, wait_until  # noqa: E402
from waits_case import WaitsCase  # noqa: E402

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../victims/javascript")
NODES, LEFT_OUT = find_nodes()
# Waits for the end of a child whose stdout, or stderr, nobody reads.
WAITS = """
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env=environment())
child.wait()
"""
# The same in a shell; the line is in a loop, in a function.
SHELL_WAITS = """
waits() {
    exec 3< <("$@")
    for number in 1 2; do
        wait $!
        echo $number
    done
}
waits "$@"
"""
DASH_WAITS = """
mkfifo "$0.fifo"
"$@" >"$0.fifo" &
exec 3<"$0.fifo"
wait $!
"""
TEMPLATE = "_ZN3app5QueueISt3mapI"
NODE_LINES = [("log", 5), ("answer", 9), ("<anonymous>", 12)]


def switches(pid):
    """How often the main thread was stopped or woke."""
    return [line for line in read_text("/proc/%d/status" % pid).splitlines() if "ctxt" in line]


class Members(WaitsCase):
    def chain(self, event, run):
        """The child's link and the parent's."""
        links = {link["pid"]: link for link in event["chain"]}
        parent = links.pop(run.process.pid)
        return links.popitem()[1], parent

    def symbols(self, link):
        return [frame.get("symbol", "") for frame in link["stack"]]

    def diagnose(self, pid, *options):
        done = subprocess.run([PIPESHIM, "diagnose", *options, str(pid)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout

    def finding(self, pid):
        """The JSON of `diagnose`, once it is a deadlock."""
        def stuck():
            status, out = self.diagnose(pid, "--json")
            return status == 2 and json.loads(out)["findings"][0]
        return wait_until(stuck, "deadlock")

    def begin_script(self, interpreter, name, text):
        folder = self.temporary_folder()
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)
        run = Run(folder, [interpreter, os.path.join(folder, name), victim("write_deep")],
                  start_new_session=True)
        self.addCleanup(self.end, run)
        return run

    def test_the_line_of_a_bash(self):
        run = self.begin_script("/bin/bash", "waits.sh", SHELL_WAITS)
        for event in run.wait_for("deadlock", 2):  # one from either side
            _, parent = self.chain(event, run)
            self.assertRegex(parent["where"], r"/waits\.sh:5 <function>$")
            self.assertEqual(parent["source"], "wait $!")
        _, parent = self.chain(self.finding(run.process.pid), run)
        self.assertRegex(parent["where"], r"/waits\.sh:5 <function>$")

    def test_where_no_line_can_be_read(self):
        """No function of the interpreter's, and a word why."""
        run = self.begin_script("/bin/dash", "waits.sh", DASH_WAITS)
        _, parent = self.chain(run.wait_for("finding")[0], run)
        self.assertNotIn("where", parent)
        self.assertRegex(parent["note"], "^a shell: .*cannot be read")

    def test_c_stack_of_a_child_in_its_parents_log(self):
        run = self.begin("parent", WAITS, victim("write_template"))
        child, parent = self.chain(run.wait_for("deadlock")[0], run)
        names = self.symbols(child)
        self.assertIn(names[0].lstrip("_"), ("write", "GI___libc_write", "libc_write"))
        self.assertTrue(names[1].startswith(TEMPLATE), names)
        self.assertEqual(names[2], "main")
        self.assertEqual(names[-1], "_start")
        self.assertNotIn("stack_truncated", child)
        self.assertRegex(child["where"], r"^write_template\+0x[0-9a-f]+ " + TEMPLATE)
        self.assertTrue(all(frame["build_id"] for frame in child["stack"]))
        self.assertRegex(parent["where"], r"/parent\.py:\d+ <module>$")
        self.assertTrue(parent["stack"])

    def test_c_stack_of_the_parent_in_the_childs_log(self):
        run = self.begin("child", WAITS, victim("write_template"))
        child, parent = self.chain(run.wait_for("deadlock")[0], run)
        self.assertTrue(self.symbols(child)[1].startswith(TEMPLATE))
        self.assertRegex(parent["where"], r"/parent\.py:\d+ <module>$")
        self.assertTrue(any("wait" in name for name in self.symbols(parent)[:2]),
                        self.symbols(parent))
        self.assertTrue(self.symbols(parent)[-1].startswith("_start"), self.symbols(parent))

    def test_node_in_its_parents_log(self):
        if not NODES:
            self.skipTest("there is no Node")
        for node in NODES:
            with self.subTest(str(node)):
                run = self.begin("parent", WAITS, node.path, os.path.join(PROGRAMS, "noise.js"))
                event = run.wait_for("deadlock")[0]
                child, _ = self.chain(event, run)
                self.assertNotIn("note", child)
                frames = [(frame["function"], frame["line"]) for frame in child["javascript"]]
                self.assertEqual(frames[1:4], NODE_LINES)
                self.assertRegex(child["where"], r"/noise\.js:5 log$")
                self.assertEqual(child["source"], "fs.writeSync(2, text);")
                # From 22 on V8's builtins are mapped a second time, where they have no names.
                self.assertEqual(self.symbols(child)[-1], "_start")

    def test_each_node_in_diagnose(self):
        if not NODES:
            self.skipTest("there is no Node")
        for node in NODES:
            with self.subTest(str(node)):
                run = self.begin("parent", WAITS, node.path, os.path.join(PROGRAMS, "noise.js"),
                                 LD_PRELOAD="")
                child, parent = self.chain(self.finding(run.process.pid), run)
                before = switches(child["pid"])
                child, parent = self.chain(self.finding(run.process.pid), run)
                self.assertEqual(switches(child["pid"]), before)  # nothing was stopped
                frames = [(frame["function"], frame["line"]) for frame in child["javascript"]]
                self.assertEqual(frames[1:4], NODE_LINES)
                self.assertEqual(child["source"], "fs.writeSync(2, text);")
                self.assertTrue(parent["stack"])
                _, text = self.diagnose(run.process.pid, "--stacks")
                self.assertRegex(text, r"#1 log  \S*/noise\.js:5:6\n")
                _, text = self.diagnose(run.process.pid)
                self.assertRegex(text, r"> \S*/noise\.js:5 log +fs\.writeSync\(2, text\);")

    def test_cpp_in_diagnose(self):
        run = self.begin("parent", WAITS, victim("write_template"), LD_PRELOAD="")
        child, _ = self.chain(self.finding(run.process.pid), run)
        self.assertRegex(self.symbols(child)[1], r"^app::Queue<.*>::push_all\(")
        self.assertEqual(self.symbols(child)[-1], "_start")

    def test_a_file_in_another_root(self):
        """By its path it would be another file, or none, here."""
        if os.geteuid() != 0:
            self.skipTest("needs root for a mount namespace")
        folder = self.temporary_folder()
        script = ("mount -t tmpfs none %s && cp %s %s/inside && exec %s/inside" %
                  (folder, os.path.abspath(victim("write_template")), folder, folder))
        if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("mount namespaces are not allowed here")
        run = self.begin("parent", WAITS, "unshare", "-m", "sh", "-c", script, LD_PRELOAD="")
        child, _ = self.chain(self.finding(run.process.pid), run)
        self.assertFalse(os.path.exists(os.path.join(folder, "inside")))
        self.assertRegex(self.symbols(child)[1], r"^app::Queue<.*>::push_all\(")

    def test_a_peer_that_may_not_be_read(self):
        """As under Yama: the kernel does not say where its threads are."""
        if os.geteuid() != 0:
            self.skipTest("needs root to mount")
        if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("mount namespaces are not allowed here")
        run = self.begin("parent", WAITS, victim("write_template"), LD_PRELOAD="")
        child, _ = self.chain(self.finding(run.process.pid), run)
        script = ("mount --bind /dev/null /proc/$1/task/$1/syscall || exit 99; exec \"$2\" "
                  "diagnose --json $3")
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", str(child["pid"]),
                               PIPESHIM, str(run.process.pid)], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=60)
        if done.returncode == 99:
            self.skipTest("mounts over /proc are not allowed here")
        finding = json.loads(done.stdout)["findings"][0]
        child, parent = self.chain(finding, run)
        self.assertRegex(child["note"], "^its stack may not be read: .*yama")
        self.assertNotIn("stack", child)
        self.assertNotIn("where", child)
        self.assertRegex(parent["where"], r"/parent\.py:\d+ <module>$")

    def test_a_thread_that_runs_has_no_stack(self):
        run = self.begin("parent", "while True:\n    pass\n", LD_PRELOAD="")

        def running():
            processes = json.loads(self.diagnose(run.process.pid, "--json")[1])["processes"]
            process = [p for p in processes if p["pid"] == run.process.pid][0]
            return process["threads"][0]["waits_in"] == "running" and process
        thread = wait_until(running, "running thread")["threads"][0]
        self.assertNotIn("stack", thread)
        self.assertNotIn("python", thread)


if __name__ == "__main__":
    for reason in LEFT_OUT:
        print("left out: %s" % reason)
    sys.exit(unittest.main())
