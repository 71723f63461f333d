# SPDX-License-Identifier: MIT
"""The cases of the corpus: what each declares, how it is started, hung or healthy, and ended.

A case is a folder under cases/. One of its programs carries the header, comment lines of the form
`# key: value` (`//` in JavaScript, C, Java):

    thread:  address of the public thread whose hang has this shape
    title:   what was seen there, in one line
    family:  whom it concerns
    start:   the command, run in a copy of the folder; *.c are built before (NAME.c to ./NAME)
    parent:  the names (globs, by commas) of the processes that are its waiting side
    child:   those of the other side; left out where one process hangs by itself
    verdict: `deadlock`, a finding's kind, or an event's name
    stuck:   NAME CALL STREAM: the process that is blocked, the call (or `child`: a wait for one),
             and on what
             (`stdin`, `stdout`, `stderr`, or * where its number says nothing)
    other:   the process at the other end; left out where there is none
    line:    FILE, which marks the line to change with HERE; FILE:FUNCTION for C
    unmet:   parts (`verdict`, `ends`, `line`) that are not said from every side yet: not wanted by
             `make test`, counted as missing in the score
    needs:   programs without which the case is left out
    quick:   yes: also a test of `make test`

A line that ends in the comment HANG is in the hanging program only. One that begins with the comment
MEND is in the healthy twin only, where it is code: the two differ by what mends the hang, and by the
time that healthy work takes, so that there is something to look at.
"""
import fnmatch
import os
import re
import shutil
import signal
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "cases")
BUILD = os.path.abspath(os.environ.get("PIPESHIM_BUILD", os.path.join(HERE, "../../build")))
LIBRARY = os.path.join(BUILD, "libpipeshim.so")
PIPESHIM = os.path.join(BUILD, "pipeshim")
STREAMS = {"stdin": 0, "stdout": 1, "stderr": 2}
KEYS = {"thread", "title", "family", "start", "parent", "child", "verdict", "stuck", "other", "line",
        "unmet", "needs", "quick"}
REQUIRED = {"thread", "title", "family", "start", "parent", "verdict", "stuck", "line"}
COMMENT = r"(?:#|//|--)"
PYTHON = "/usr/bin/python3"  # Debian's: one Python for all runs


class Case:
    def __init__(self, name):
        self.name = name
        self.folder = os.path.join(CASES, name)
        self.header = self.read_header()
        unknown = set(self.header) - KEYS
        missing = REQUIRED - set(self.header)
        if unknown or missing:
            raise SystemExit("%s: header has unknown keys %s, lacks %s"
                             % (name, sorted(unknown), sorted(missing)))
        words = self["stuck"].split()
        self.stuck_name, self.call, self.stream = words if len(words) == 3 else (*words, "*")

    def __getitem__(self, key):
        return self.header.get(key, "")

    def read_header(self):
        for file in sorted(os.listdir(self.folder)):
            with open(os.path.join(self.folder, file), encoding="utf-8") as source:
                found = re.findall(r"^%s (\w+): +(.*)$" % COMMENT, source.read(), re.M)
            if dict(found).get("thread"):
                return dict(found)
        raise SystemExit("%s: no program of this case has a header with `thread:`" % self.name)

    def wanted(self, parts):
        """Those that must be said already."""
        unmet = re.split(r"[ ,]+", self["unmet"])
        return [part for part in parts if part not in unmet]

    def lines(self):
        """FILE:LINE of each HERE, and the function of a C program."""
        file, _, function = self["line"].partition(":")
        with open(os.path.join(self.folder, file), encoding="utf-8") as source:
            found = [number for number, text in enumerate(source, 1)
                     if re.search(COMMENT + r" (?:HANG )?HERE\b", text)]
        if not found:
            raise SystemExit("%s: %s has no line with HERE" % (self.name, file))
        return file, found, function

    def names_line(self, text):
        """Does the text name the line to change (of a C program also: its function)?"""
        file, numbers, function = self.lines()
        if any(re.search(r"\b%s:%d\b" % (re.escape(file), number), text) for number in numbers):
            return True
        # Not at a word's end: in a mangled name its length stands before it, and more behind.
        return bool(function) and \
            re.search(r"(?<![A-Za-z_])%s(?![A-Za-z_])" % re.escape(function), text) is not None

    def missing(self):
        """A program that this machine does not have; None: it can run."""
        for program in re.split(r"[ ,]+", self["needs"]):
            if program and not shutil.which(program):
                return program
        return None


def all_cases(names=()):
    known = sorted(os.listdir(CASES))
    chosen = [n for n in known if not names or any(fnmatch.fnmatch(n, p) for p in names)]
    if not chosen:
        raise SystemExit("no case is called %s" % " ".join(names))
    return [Case(name) for name in chosen]


def healthy_source(text):
    """The twin: without the lines that are marked HANG, with those that are marked MEND."""
    lines = []
    for line in text.splitlines():
        if re.search(COMMENT + r" HANG\b", line):
            lines.append("")  # line numbers stay
            continue
        mend = re.match(r"(\s*)%sMEND (.*)" % COMMENT, line)
        lines.append(mend.group(1) + mend.group(2) if mend else line)
    return "\n".join(lines) + "\n"


def prepare(case, folder, healthy):
    """Copies the programs; builds what is C or Java."""
    for file in sorted(os.listdir(case.folder)):
        with open(os.path.join(case.folder, file), encoding="utf-8") as source:
            text = source.read()
        target = os.path.join(folder, file)
        with open(target, "w", encoding="utf-8") as copy:
            copy.write(healthy_source(text) if healthy else text)
        os.chmod(target, 0o755)
        name, extension = os.path.splitext(target)
        if extension == ".c":
            subprocess.run(["gcc", "-g", "-O1", "-fno-inline", "-fno-optimize-sibling-calls",
                            "-D_GNU_SOURCE", "-w", "-o", name, target, "-pthread"], check=True)
        elif extension == ".rs":
            subprocess.run(["rustc", "-g", "--edition", "2021", "-o", name, target], check=True)
        elif extension == ".java":
            subprocess.run(["javac", "-d", folder, target], check=True)


class Process:
    """A case that runs, alone in a session of its own; end() ends every process of it."""

    def __init__(self, case, folder, healthy=False, settings=None):
        self.case, self.folder = case, folder
        prepare(case, folder, healthy)
        self.mark = "CORPUS_RUN=%d.%d" % (os.getpid(), time.monotonic_ns())
        environment = {k: v for k, v in os.environ.items()
                       if not k.startswith("PIPESHIM") and k != "LD_PRELOAD"}
        environment.update(PATH=folder + ":/usr/local/bin:/usr/bin:/bin",
                           PYTHONDONTWRITEBYTECODE="1")
        environment.update([self.mark.split("=")])
        environment.update(settings or {})
        self.output = open(os.path.join(folder, "output"), "wb")
        self.began = time.time()
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", "exec " + case["start"]], cwd=folder, env=environment,
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
            start_new_session=True)

    def pids(self):
        """All living processes that were started by this run, whatever session they have gone to."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open("/proc/%s/environ" % entry, "rb") as file:
                    marked = self.mark.encode() in file.read()
                with open("/proc/%s/comm" % entry, "rb") as file:  # anybody's: of any bytes
                    own = file.read().startswith(b"pipeshim")  # the log's writer
                if marked and not own:
                    found.append(int(entry))
            except OSError:
                pass
        return sorted(found)

    def end(self):
        while pids := self.pids():
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.poll()
            time.sleep(0.002)
        self.process.wait()
        self.output.close()


def name_of(pid):
    """As its user knows it: of an interpreter its script."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            words = file.read().decode(errors="replace").split("\0")
    except OSError:
        return ""
    for word in words[1:3]:
        if re.search(r"\.(py|js|mjs|sh|pl)$", word):
            return os.path.basename(word)
    return os.path.basename(words[0])


def standstill(pids):
    """What each thread sleeps in; None as long as one runs or none is left."""
    state = []
    for pid in pids:
        try:
            tids = os.listdir("/proc/%d/task" % pid)
        except OSError:
            return None
        for tid in tids:
            base = "/proc/%d/task/%s/" % (pid, tid)
            try:
                with open(base + "stat") as stat, open(base + "wchan") as wchan:
                    letter = stat.read().rpartition(")")[2].split()[0]
                    state.append((tid, wchan.read()))
            except OSError:
                return None
            if letter == "R":
                return None
    return state or None


def wait_for_hang(run, deadline_s, quiet_s=0.3):
    """Until every thread has slept in the same place for a while; the seconds from the start until
    that began, or None."""
    end = time.monotonic() + deadline_s
    since, last = time.monotonic(), None
    begin_lag = time.time() - run.began
    start = time.monotonic() - begin_lag
    while time.monotonic() < end:
        now = standstill(run.pids())
        if now is None or now != last:
            since = time.monotonic()
        elif time.monotonic() - since > quiet_s:
            return since - start
        last = now
        time.sleep(0.02)
    return None
