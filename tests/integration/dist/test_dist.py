#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What is handed out: the archive, make install and uninstall, manual pages, completions, contrib/."""
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import unittest

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.."))
BUILD = os.path.realpath(os.environ["PIPESHIM_BUILD"])
SECONDS = 240


def make(*arguments):
    run = subprocess.run(["make", "-s", "-C", TOP, "BUILD=" + os.path.relpath(BUILD, TOP),
                          *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
    if run.returncode != 0:
        raise AssertionError(run.stdout + run.stderr)


def files_under(folder):
    return {os.path.relpath(os.path.join(path, name), folder)
            for path, _, names in os.walk(folder) for name in names}


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="pipeshim-dist-")
        self.addCleanup(shutil.rmtree, self.folder)


@unittest.skipIf("SANITIZE" in os.environ and os.environ["SANITIZE"], "a sanitizer is not static")
class Archive(Case):
    @classmethod
    def setUpClass(cls):
        make("dist")
        names = [n for n in os.listdir(BUILD) if re.match(r"pipeshim-.*-linux-.*\.tar\.gz$", n)]
        cls.archive = os.path.join(BUILD, names[0])
        cls.name = names[0][:-len(".tar.gz")]

    def setUp(self):
        super().setUp()
        with tarfile.open(self.archive) as archive:
            archive.extractall(self.folder)
        self.top = os.path.join(self.folder, self.name)

    def test_files(self):
        files = files_under(self.top)
        for name in ("lib/libpipeshim.so", "bin/pipeshim", "share/man/man1/pipeshim.1",
                     "share/man/man7/libpipeshim.7", "README.md", "LICENSE", "EVENTS.md",
                     "SECURITY.md", "docs/drain.md",
                     "share/bash-completion/completions/pipeshim",
                     "share/zsh/site-functions/_pipeshim",
                     "share/fish/vendor_completions.d/pipeshim.fish",
                     "contrib/systemd/pipeshim.conf", "contrib/docker/Dockerfile",
                     "contrib/kubernetes/pipeshim.yaml"):
            self.assertIn(name, files)

    def test_the_tool_needs_nothing(self):
        tool = os.path.join(self.top, "bin/pipeshim")
        headers = subprocess.run(["readelf", "-lW", tool], check=True, capture_output=True,
                                 text=True).stdout
        self.assertNotIn("INTERP", headers)
        # It finds the library beside it, and the two are of one build.
        run = subprocess.run([tool, "doctor"], capture_output=True, text=True, timeout=SECONDS,
                             check=False)
        self.assertEqual(run.returncode, 0, run.stdout)

    def test_no_path_of_the_build(self):
        for name in ("lib/libpipeshim.so", "bin/pipeshim"):
            with open(os.path.join(self.top, name), "rb") as file:
                self.assertNotIn(TOP.encode(), file.read())

    def test_dockerfile_copies_what_is_there(self):
        with open(os.path.join(self.top, "contrib/docker/Dockerfile"), encoding="utf-8") as file:
            copies = re.findall(r"^COPY (\S+) (\S+)$", file.read(), re.M)
        self.assertEqual(len(copies), 2)
        root = os.path.join(self.folder, "root")
        for source, target in copies:
            os.makedirs(os.path.dirname(root + target), exist_ok=True)
            shutil.copy2(os.path.join(self.top, source), root + target)
        with open(os.path.join(self.top, "contrib/kubernetes/pipeshim.yaml"),
                  encoding="utf-8") as file:
            command = re.search(r"command: \[cp, (.*), /pipeshim/\]", file.read()).group(1)
        for path in command.split(", "):
            self.assertTrue(os.path.exists(root + path), path)
        if os.getuid() == 0:  # an image with nothing else in it
            run = subprocess.run(["chroot", root, copies[1][1], "--version"], capture_output=True,
                                 text=True, timeout=SECONDS, check=False)
            self.assertRegex(run.stdout, r"^pipeshim \d")

    @unittest.skipUnless(shutil.which("kubectl"), "no kubectl")
    def test_the_manifest_patches_a_deployment(self):
        """As its own first line says, but without a cluster."""
        container = {"name": "CONTAINER", "image": "app", "env": [{"name": "OWN", "value": "1"}]}
        deployment = os.path.join(self.folder, "deployment.json")
        with open(deployment, "w", encoding="ascii") as file:
            json.dump({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "APP"},
                       "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
                           "metadata": {"labels": {"a": "b"}},
                           "spec": {"containers": [container]}}}}, file)
        patched = subprocess.run(
            ["kubectl", "patch", "--local", "-o", "json", "-f", deployment, "--patch-file",
             os.path.join(self.top, "contrib/kubernetes/pipeshim.yaml")], check=True,
            capture_output=True, text=True, timeout=SECONDS).stdout
        pod = json.loads(patched)["spec"]["template"]["spec"]
        self.assertEqual([c["name"] for c in pod["containers"]], ["CONTAINER"])
        settings = {e["name"]: e["value"] for e in pod["containers"][0]["env"]}
        self.assertEqual(settings["OWN"], "1")
        mounts = {m["name"]: m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}
        volume = pod["volumes"][0]["name"]
        self.assertEqual(os.path.dirname(settings["LD_PRELOAD"]), mounts[volume])
        copied = pod["initContainers"][0]
        self.assertEqual(copied["volumeMounts"][0], {"name": volume, "mountPath": mounts[volume]})
        self.assertIn(os.path.basename(settings["LD_PRELOAD"]),
                      [os.path.basename(path) for path in copied["command"]])

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_the_exporters_unit_is_accepted(self):
        unit = os.path.join(self.folder, "pipeshim-metrics.service")
        with open(os.path.join(self.top, "contrib/systemd/pipeshim-metrics.service"),
                  encoding="utf-8") as file:
            text = file.read()
        tool = os.path.join(self.top, "bin/pipeshim")
        self.assertIn("ExecStart=/usr/local/bin/pipeshim metrics", text)

        def verify(content):
            with open(unit, "w", encoding="utf-8") as file:
                file.write(content.replace("/usr/local/bin/pipeshim", tool))
            return subprocess.run(["systemd-analyze", "verify", "--man=no", unit], check=False,
                                  capture_output=True, text=True, timeout=SECONDS).stderr
        self.assertNotIn("pipeshim-metrics", verify(text))
        self.assertIn("pipeshim-metrics", verify(text.replace("Restart=", "Restarts=")))

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_the_drop_in_is_accepted(self):
        unit = os.path.join(self.folder, "probe.service")
        os.mkdir(unit + ".d")
        with open(unit, "w", encoding="ascii") as file:
            file.write("[Service]\nExecStart=/bin/true\n")
        shutil.copy(os.path.join(self.top, "contrib/systemd/pipeshim.conf"), unit + ".d")
        def verify():
            run = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], check=False,
                                 capture_output=True, text=True, timeout=SECONDS)
            return [line for line in run.stderr.splitlines() if "pipeshim.conf" in line]
        self.assertEqual(verify(), [])
        with open(unit + ".d/pipeshim.conf", "a", encoding="ascii") as file:
            file.write("LogDirectory=wrong\n")
        self.assertNotEqual(verify(), [])


class Install(Case):
    def test_install_strip_and_uninstall(self):
        settings = ["DESTDIR=" + self.folder, "PREFIX=/usr", "LIBDIR=/usr/lib/triplet/pipeshim"]
        make("install", *settings)
        installed = files_under(self.folder)
        for name in ("usr/lib/triplet/pipeshim/libpipeshim.so", "usr/bin/pipeshim",
                     "usr/share/man/man1/pipeshim.1", "usr/share/man/man7/libpipeshim.7"):
            self.assertIn(name, installed)
        library = os.path.join(self.folder, "usr/lib/triplet/pipeshim/libpipeshim.so")
        size = os.path.getsize(library)
        make("install-strip", *settings)
        self.assertEqual(files_under(self.folder), installed)
        self.assertLess(os.path.getsize(library), size / 2)
        make("uninstall", *settings)
        self.assertEqual(files_under(self.folder), set())

    def test_each_folder_by_itself_and_all_together(self):
        usual = {"LIBDIR": ("lib", "libpipeshim.so"), "BINDIR": ("bin", "pipeshim"),
                 "MANDIR": ("share/man", "man7/libpipeshim.7")}
        for chosen in (("LIBDIR",), ("BINDIR",), ("MANDIR",), tuple(usual)):
            with self.subTest(chosen):
                settings = ["DESTDIR=" + self.folder, "PREFIX=/usr/local"]
                settings += ["%s=/elsewhere/%s" % (name, name.lower()) for name in chosen]
                make("install", *settings)
                installed = files_under(self.folder)
                for name, (folder, file) in usual.items():
                    folders = ["usr/local/" + folder, "elsewhere/" + name.lower()]
                    self.assertIn(os.path.join(folders[name in chosen], file), installed)
                    self.assertNotIn(os.path.join(folders[name not in chosen], file), installed)
                make("uninstall", *settings)
                self.assertEqual(files_under(self.folder), set())

    def test_run_finds_the_library_where_it_is_installed(self):
        triplet = subprocess.run(["cc", "-dumpmachine"], check=True, capture_output=True,
                                 text=True).stdout.strip()
        for library in ("/usr/lib", "/usr/lib/%s/pipeshim" % triplet, "/usr/lib64/pipeshim"):
            with self.subTest(library):
                shutil.rmtree(self.folder)
                make("install", "DESTDIR=" + self.folder, "PREFIX=/usr", "LIBDIR=" + library)
                run = subprocess.run([self.folder + "/usr/bin/pipeshim", "run", "--", "true"],
                                     capture_output=True, text=True, timeout=SECONDS, check=False)
                self.assertEqual(run.returncode, 0, run.stderr)


class Documents(Case):
    @classmethod
    def setUpClass(cls):
        make("documents")
        cls.documents = os.path.join(BUILD, "documents")

    def read(self, name):
        with open(os.path.join(self.documents, name), encoding="utf-8") as file:
            return file.read()

    def commands(self):
        text = subprocess.run([os.path.join(BUILD, "pipeshim"), "--help"], check=True,
                              capture_output=True, text=True).stdout
        return re.findall(r"^  ([a-z]+) ", text, re.M)

    def test_every_command_and_option_is_in_all_of_them(self):
        manual = self.read("pipeshim.1").replace("\\-", "-")
        shells = {name: self.read(name) for name in ("pipeshim.bash", "_pipeshim")}
        fish = self.read("pipeshim.fish")
        self.assertGreater(len(self.commands()), 3)
        for command in self.commands():
            self.assertIn("pipeshim %s" % command, manual)
            text = subprocess.run([os.path.join(BUILD, "pipeshim"), command, "--help"], check=True,
                                  capture_output=True, text=True).stdout
            for option in re.findall(r"^  (--[a-z][a-z-]*)", text, re.M):
                self.assertIn(option, manual)
                self.assertIn("-l %s" % option[2:], fish)
                for name, shell in shells.items():
                    self.assertIn(option, shell, name)

    def test_every_setting_is_in_the_manual(self):
        with open(os.path.join(TOP, "shim/config/settings.def"), encoding="utf-8") as file:
            names = re.findall(r'^SETTING\(\w+,\s*"(\w+)"', file.read(), re.M)
        self.assertGreater(len(names), 25)
        manual = self.read("libpipeshim.7")
        for name in names:
            self.assertIn("\\fB%s\\fR" % name, manual)

    @unittest.skipUnless(shutil.which("groff"), "no groff")
    def test_manuals_are_formatted_without_a_warning(self):
        for name in ("pipeshim.1", "libpipeshim.7"):
            run = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-z",
                                  os.path.join(self.documents, name)], capture_output=True,
                                 text=True, check=False)
            self.assertEqual((run.returncode, run.stderr), (0, ""))

    def test_bash_completes(self):
        script = ('. "$1"; COMP_WORDS=(pipeshim "$2" "$3"); COMP_CWORD=$4; _pipeshim; '
                  'echo "${COMPREPLY[@]}"')

        def complete(*words):
            position = len(words)
            padded = list(words) + [""] * (2 - len(words))
            return subprocess.run(["bash", "-c", script, "bash",
                                   os.path.join(self.documents, "pipeshim.bash"), *padded,
                                   str(position)], check=True, capture_output=True,
                                  text=True).stdout.split()
        self.assertEqual(complete("diag"), ["diagnose"])
        self.assertEqual(complete("diagnose", "--al"), ["--all"])
        self.assertIn(str(os.getpid()), complete("diagnose", ""))

    @unittest.skipUnless(shutil.which("fish"), "no fish")
    def test_fish_completes(self):
        def complete(line):
            script = "source $argv[1]; complete -C $argv[2]"
            return subprocess.run(["fish", "-c", script, os.path.join(self.documents, "pipeshim.fish"),
                                   line], check=True, capture_output=True, text=True,
                                  timeout=SECONDS).stdout.splitlines()
        self.assertEqual([row.split("\t")[0] for row in complete("pipeshim dia")], ["diagnose"])
        self.assertEqual([row.split("\t")[0] for row in complete("pipeshim diagnose --al")], ["--all"])
        self.assertEqual(complete("pipeshim run --drain-m"),
                         ["--drain-max\tPIPESHIM_DRAIN_MAX: bound of the queue (64M)",
                          "--drain-mode\tPIPESHIM_DRAIN_MODE: full or behind"])

    @unittest.skipUnless(shutil.which("zsh"), "no zsh")
    def test_zsh_completes(self):
        """On a terminal: zsh completes nowhere else."""
        begin = ("PS1='REA''DY> '; fpath=(%s $fpath); autoload -Uz compinit; compinit -u -D\n" %
                 self.documents)
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ.update(TERM="dumb", HOME=self.folder, COLUMNS="200")
            os.execvp("zsh", ["zsh", "-f", "-i"])
        try:
            os.write(terminal, begin.encode())
            self.await_text(terminal, b"READY> ")
            for typed, completed in ((b"pipeshim dia\t", b"pipeshim diagnose "),
                                     (b"--al\t", b"--all "), (b"--js\t", b"--json ")):
                os.write(terminal, typed)
                self.await_text(terminal, completed)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)

    def await_text(self, terminal, text):
        seen = b""
        while text not in seen:
            if not select.select([terminal], [], [], SECONDS)[0]:
                self.fail("no %r within %d s: %r" % (text, SECONDS, seen))
            seen += os.read(terminal, 4096)


if __name__ == "__main__":
    sys.exit(unittest.main())
