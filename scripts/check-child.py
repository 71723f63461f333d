#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every mutable static of the library is either reset in a forked child or says why it need not be.

Reset: its name stands in a function that watch/child.c calls, directly or through
others that take no argument. Else a comment on its line, or one alone above its paragraph, says
    child: constant       set before the program runs, and not changed after
    child: scratch        written before it is read, each time
    child: kept, WHY      right in the child as it is
The statics are those of the object code, so none is overlooked."""
import os
import re
import subprocess
import sys
import tempfile

MUTABLE = (".bss", ".data", ".data.rel", ".data.rel.local", ".tbss", ".tdata", "*COM*")
FUNCTION = re.compile(r"^[a-z][\w *]*?\b(\w+)\(void(?: \*\w+)?\)\n\{\n(.*?)^\}", re.M | re.S)  # without arguments


def sources():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "shim/*.c"],
                            check=True, capture_output=True, text=True).stdout.split()
    return [path for path in listed if not path.startswith("shim/cli/") and os.path.exists(path)]


def mutable_symbols(path, folder):
    target = os.path.join(folder, "object.o")
    subprocess.run([os.environ.get("CC", "gcc"), "-Ishim", "-D_GNU_SOURCE", '-DPIPESHIM_VERSION="x"',
                    "-std=gnu11", "-w", "-O0", "-fPIC", "-ftls-model=initial-exec", "-c", "-o", target, path], check=True)
    table = subprocess.run(["objdump", "-t", target], check=True, capture_output=True, text=True).stdout
    for line in table.splitlines():
        match = re.match(r"[0-9a-f]+ .{7} (\S+)\t[0-9a-f]+ (?:\.hidden )?(\S+)$", line)
        if match and match[1] in MUTABLE and not match[2].startswith("."):
            yield match[2].split(".")[0]


def reached(functions):
    """The functions that run in a forked child before anything else does: (file, name)."""
    homes = {}
    for path, bodies in functions.items():
        for name in bodies:
            homes.setdefault(name, []).append(path)
    found, queue = set(), [("shim/watch/child.c", name) for name in functions["shim/watch/child.c"]]
    while queue:
        path, name = queue.pop()
        if (path, name) in found or name not in functions[path]:
            continue
        found.add((path, name))
        for called in re.findall(r"\b(\w+)\(\)", functions[path][name]):
            queue += [(path, called)] if called in functions[path] else [(home, called) for home in homes.get(called, [])]
    return found


def excused(text):
    """Patterns of the names that a comment speaks for."""
    tag = re.compile(r"child: (constant|scratch|kept, \w)")
    patterns, paragraph = [], False
    for line in text.splitlines():
        if not line.strip():
            paragraph = False
        if tag.search(line) and line.strip().startswith(("/*", "*")):
            paragraph = True
        if paragraph or tag.search(line):
            code = re.sub(r"/\*.*", "", line)
            patterns += [re.sub(r"##name|name##", r"\\w+", word) for word in re.findall(r"[\w#]+", code)]
    return re.compile("(%s)$" % "|".join(patterns)) if patterns else re.compile("$.")


def main():
    functions, text = {}, {}
    for path in sources():
        with open(path, encoding="utf-8") as file:
            text[path] = file.read()
        functions[path] = dict(FUNCTION.findall(text[path]))
    resets = reached(functions)
    missing = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in sources():
            reset = "".join(body for name, body in functions[path].items() if (path, name) in resets)
            other = excused(text[path])
            for name in sorted(set(mutable_symbols(path, folder))):
                if re.search(r"\b%s\b" % re.escape(name), reset) or other.match(name):
                    continue
                print("%s: '%s' is neither reset in a forked child (watch/child.c) nor says 'child: constant', "
                      "'child: scratch' or 'child: kept, WHY'" % (path, name))
                missing += 1
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
