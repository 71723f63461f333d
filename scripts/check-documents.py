#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the documents and the comments of the code name is there: files, tests, functions, targets of
make. Prints what is not; the exit status is 0 if all is.

    check-documents.py [ROOT]

Read are the Markdown files, without CHANGELOG.md, which tells of what was, and the comments of shim/
and tests/. In a document `judge_slot()` is a function of ours, `watch/judge.c` a file (of the
repository or of shim/, or of a folder that the same line names), `test_lag` a test, `make bench` a
target. In a comment a path counts that begins with a folder of the repository or of shim/.
"""
import fnmatch
import os
import re
import subprocess
import sys

SUFFIX = r"\.(?:c|h|cc|def|py|sh|md|mk|html|js|yml|conf|json|so)"
FILE = re.compile(r"(?:[\w.*-]+/)*[\w.*-]+" + SUFFIX + r"$")
MADE = ("build/", "/", "libpipeshim.so", "BUILD/")  # or somebody else's


def names_in(path, text):
    """(line, kind, name) of all that is named."""
    for number, line in enumerate(text.splitlines(), 1):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", line):
            yield number, "link", os.path.normpath(os.path.join(os.path.dirname(path), target))
        for code in re.findall(r"`([^`]+)`", line):
            function = re.match(r"(\w+)\(\)(?: of .*)?$", code)
            if function:
                yield number, "function", function.group(1)
            elif re.match(r"test_\w+(?:\.py)?$", code):
                yield number, "test", code.removesuffix(".py")
            elif re.match(r"make [a-z][\w-]*", code):
                yield number, "target", re.match(r"make ([\w-]+)", code).group(1)
            elif FILE.match(code) and not code.startswith(MADE):
                yield number, "file", code


def comments_in(text):
    """(line, path) of the paths in comments."""
    for comment in re.finditer(r"/\*.*?\*/|//[^\n]*|^#[^\n]*|\"\"\".*?\"\"\"", text, re.S | re.M):
        start = text.count("\n", 0, comment.start()) + 1
        for offset, line in enumerate(comment.group().splitlines()):
            if line.startswith("#include"):
                continue
            for name in re.findall(r"(?<![\w/.\"<%-])(?:[\w-]+/)+[\w*-]+" + SUFFIX + r"\b", line):
                yield start + offset, name


class Repository:
    def __init__(self, root):
        self.root = root
        self.files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=root, check=True,
                                    capture_output=True, text=True).stdout.split("\n")
        self.files = [file for file in self.files if os.path.exists(os.path.join(root, file))]
        self.code = "".join(self.read(file) for file in self.files
                            if re.match(r"(shim|tests)/.*\.(c|h|def|py|cc)$", file))
        self.makefiles = self.read("Makefile") + self.read("scripts/dist.mk")
        self.folders = {file.split("/")[0] for file in self.files if "/" in file}
        self.rooms = {file.split("/")[1] for file in self.files if file.startswith("shim/")}

    def read(self, file):
        with open(os.path.join(self.root, file), encoding="utf-8") as text:
            return text.read()

    def has_file(self, name):
        return any(fnmatch.fnmatch(file, name) or fnmatch.fnmatch(file, "shim/" + name) or
                   fnmatch.fnmatch(file, "*/" + name) for file in self.files)

    def has(self, kind, name):
        if kind == "link":
            return os.path.exists(os.path.join(self.root, name))
        if kind == "function":
            return re.search(r"\b%s\(" % name, self.code) is not None
        if kind == "test":
            return any(re.search(r"/%s\.(c|py)$" % name, file) for file in self.files)
        if kind == "target":
            return re.search(r"^(?:[\w $()%%:-]+ )?%s(?: [\w-]+)*:(?!=)" % re.escape(name),
                             self.makefiles, re.M) is not None or "bench-" in name
        return self.has_file(name)

    def missing(self):
        for path in self.files:
            if path.endswith(".md") and path != "CHANGELOG.md":
                for line, kind, name in names_in(path, self.read(path)):
                    if not self.has(kind, name):
                        yield "%s:%d: names the %s %s, which is not there" % (path, line, kind, name)
            elif re.match(r"(shim|tests|scripts)/.*\.(c|h|cc|def|py|sh|mk)$|Makefile$", path) and \
                    not path.startswith("tests/corpus/cases/"):
                for line, name in comments_in(self.read(path)):
                    first = name.split("/")[0]
                    if first in self.folders | self.rooms and not self.has_file(name):
                        yield "%s:%d: names %s, which is not there" % (path, line, name)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..")
    found = list(Repository(os.path.abspath(root)).missing())
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
