# SPDX-License-Identifier: MIT
"""The call graph and the stack use of a library's machine code, from objdump.

A function's frame is what its prologue takes (push, sub); one that is called through a pointer is
taken for called by whoever takes its address. Calls that leave the library end there.
"""
import re
import subprocess

FUNCTION = re.compile(r"^([0-9a-f]+) <(.+)>:$")
INSTRUCTION = re.compile(r"^ +[0-9a-f]+:\t(\S+)\s*(.*)$")
TARGET = re.compile(r"([0-9a-f]+) <([^>]+)>")


OTHER_STACK = "on_other_stack"


class Function:
    def __init__(self, name):
        self.name = name
        self.stack = 0  # bytes, with the return address that it is called with
        self.calls = set()
        self.takes = set()  # addresses of functions
        self.outside = set()  # called in other libraries
        self.thread_pointer = []  # instructions


class ObjectCode:
    def __init__(self, path):
        self.functions = {}
        listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path],
                                 capture_output=True, text=True, check=True).stdout
        self.machine = "aarch64" if "aarch64" in listing[:200] else "x86_64"
        function = None
        references = []
        starts = {}
        for line in listing.splitlines():
            match = FUNCTION.match(line)
            if match:
                # Static functions of two files may have one name, and so may one and a variable.
                name = match[2] if match[2] not in self.functions else match[2] + "@" + match[1]
                function = self.functions[name] = Function(name)
                starts[int(match[1], 16)] = name
                function.stack = 8 if self.machine == "x86_64" else 0
                continue
            match = INSTRUCTION.match(line)
            if match and function:
                take = self._take_x86_64 if self.machine == "x86_64" else self._take_aarch64
                take(function, match[1], match[2], references)
        for function, (address, name), called in references:
            target = starts.get(int(address, 16))
            if name.endswith("@plt"):
                function.outside.add(name[:-4])
            elif target and target != function.name:
                (function.calls if called else function.takes).add(target)

    def _take_x86_64(self, function, name, operands, references):
        if name == "addr32":  # the linker's, in the place of a longer call
            name, _, operands = operands.partition(" ")
            operands = operands.strip()
        target = TARGET.search(operands)
        if name == "push":
            function.stack += 8
        elif name == "sub" and operands.endswith(",%rsp"):
            size = re.match(r"\$(0x[0-9a-f]+),", operands)
            # A size that is not constant is an array of the program's arguments (execl).
            taken = int(size[1], 16) if size else 0
            function.stack += taken if taken < 1 << 63 else 0  # "sub $-128" gives back
        if "%fs:" in operands:
            function.thread_pointer.append(name + " " + operands)
        if target and (name.startswith("call") or name.startswith("j")):
            references.append((function, target.groups(), True))
        elif target and name == "lea":
            references.append((function, target.groups(), False))

    def _take_aarch64(self, function, name, operands, references):
        target = TARGET.search(operands)
        grown = re.search(r"\[sp, #-(\d+)\]!$", operands)
        if grown:
            function.stack += int(grown[1])
        elif name == "sub" and operands.startswith("sp, sp, #"):
            size = re.match(r"sp, sp, #(0x[0-9a-f]+)(, lsl #12)?", operands)
            function.stack += int(size[1], 16) << (12 if size[2] else 0)
        if "tpidr_el0" in operands:
            function.thread_pointer.append(name + " " + operands)
        if target and (name in ("bl", "b") or name.startswith("b.") or name.startswith("cb") or
                       name.startswith("tb")):
            references.append((function, target.groups(), True))
        elif target and name in ("adr", "adrp", "add"):
            references.append((function, target.groups(), False))

    def reachable(self, roots, stop=lambda name: False):
        """Names of all functions that are called, or may be, from `roots`: name -> caller."""
        found = {name: None for name in roots if name in self.functions}
        work = list(found)
        while work:
            name = work.pop()
            function = self.functions[name]
            for callee in function.calls | function.takes:
                if callee not in found and not stop(callee):
                    found[callee] = name
                    work.append(callee)
        return found

    def deepest(self, root, stop=lambda name: False):
        """The most stack that `root` uses with what it calls, and the way there."""
        memory = {}

        def visit(name, path):
            if name in memory:
                return memory[name]
            function = self.functions[name]
            best = (0, [])
            # What is handed to on_other_stack() runs there.
            callees = function.calls | (set() if OTHER_STACK in function.calls else function.takes)
            for callee in callees:
                if callee in path or stop(callee):
                    continue
                best = max(best, visit(callee, path | {callee}))
            memory[name] = (function.stack + best[0], [name] + best[1])
            return memory[name]

        return visit(root, {root})


def in_tables(path):
    """Functions whose addresses stand in data, but for constructors and destructors."""
    symbols = {}
    for line in subprocess.run(["nm", path], capture_output=True, text=True,
                               check=True).stdout.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[1] in "tT":
            symbols[int(fields[0], 16)] = fields[2]
    sections = subprocess.run(["readelf", "-SW", path], capture_output=True, text=True,
                              check=True).stdout
    skipped = [(int(m[1], 16), int(m[1], 16) + int(m[2], 16)) for m in
               re.finditer(r"\.(?:init|fini)_array\s+\S+\s+([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+)",
                           sections)]
    relocations = subprocess.run(["readelf", "-rW", path], capture_output=True, text=True,
                                 check=True).stdout
    found = set()
    for match in re.finditer(r"^([0-9a-f]+)\s+\S+ R_\w+_RELATIVE\s+([0-9a-f]+)", relocations,
                             re.MULTILINE):
        place, target = int(match[1], 16), int(match[2], 16)
        if target in symbols and not any(low <= place < high for low, high in skipped):
            found.add(symbols[target])
    return found


def exported(path):
    listing = subprocess.run(["nm", "-D", "--defined-only", path], capture_output=True, text=True,
                             check=True).stdout
    return [line.split()[2].split("@")[0] for line in listing.splitlines() if " T " in line]


def path_to(found, name):
    path = []
    while name:
        path.append(name)
        name = found[name]
    return " < ".join(path)
