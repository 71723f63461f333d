#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compares the rows of ELF files' unwind tables as explain/cfi understands them with those that
readelf(1) prints.

    readelf_rows.py [--readelf READELF] [--runner COMMAND] CFI_ROWS FILE...

CFI_ROWS is tests/tools/cfi_rows, built for the architecture of the files; COMMAND runs it where
that is not this machine's (qemu-aarch64-static). Prints a line a file and each difference; the exit
status is 1 if there was one.
"""
import argparse
import re
import subprocess
import sys

SHOWN = 20
X86_64 = ["rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12",
          "r13", "r14", "r15", "rip"]
AARCH64 = ["x%d" % n for n in range(31)] + ["sp"]


def register_numbers(readelf, path):
    header = subprocess.run([readelf, "-h", path], check=True, capture_output=True, text=True).stdout
    if "AArch64" in header:
        return {name: n for n, name in enumerate(AARCH64)}, 30
    return {name: n for n, name in enumerate(X86_64)}, 16


def words_of(line):
    """The columns of a row; another register in it, "r8 (r12)", becomes one word, its number."""
    address, *rest = re.split(r"\s+", line.strip(), maxsplit=1)
    return [address] + re.sub(r"\br(\d+)(?: \(\w+\))?(?=\s|$)", r"\1", "".join(rest)).split()


def cfa_of(word, numbers):
    if word == "exp":
        return word
    name, offset = re.fullmatch(r"([a-z]+\d*)([+-]\d+)", word).groups()
    return "%d%s" % (numbers[name], offset)


def rows_of_readelf(readelf, path):
    """{address: (cfa, {register: rule})} from the entries of code; the last row of an address. An
    entry without instructions has no row of its own: that of its CIE holds."""
    numbers, return_column = register_numbers(readelf, path)
    names = dict(numbers, ra=return_column)
    # Its exit status is 1 when a file of debugging information is missing.
    listing = subprocess.run([readelf, "--debug-dump=frames-interp", "--wide", path],
                             capture_output=True, text=True, check=False).stdout
    rows, common, columns, place, start, end = {}, {}, [], None, 0, 0
    for line in listing.splitlines():
        words = line.split()
        code = re.search(r" FDE cie=([0-9a-f]+) pc=([0-9a-f]+)\.\.([0-9a-f]+)", line)
        if code:
            place, start, end = None, int(code[2], 16), int(code[3], 16)
            if end > start and code[1] in common:
                rows[start] = common[code[1]]
        elif " CIE " in line:
            place = words[0]
        elif words and words[0] == "LOC":
            columns = words[2:]
        elif words and re.fullmatch(r"[0-9a-f]{16}", words[0]):
            words = words_of(line)
            row = (cfa_of(words[1], numbers),
                   {names[name]: word for name, word in zip(columns, words[2:])
                    if name in names and word != "u"})
            if place is not None:
                common[place] = row
            elif start <= int(words[0], 16) < end:
                rows[int(words[0], 16)] = row
    return rows


def rows_of_ours(command, path):
    output = subprocess.run(command + [path], check=True, capture_output=True, text=True).stdout
    rows = {}
    for line in output.splitlines():
        address, *words = line.split()
        if words[0] == "broken":
            rows[int(address, 16)] = ("broken", {})
            continue
        rules = dict(word.split("=") for word in words[1:])
        rows[int(address, 16)] = (words[0], {int(n): rule for n, rule in rules.items()
                                             if rule != "u"})
    return rows


def compare(readelf, command, path):
    theirs, ours = rows_of_readelf(readelf, path), rows_of_ours(command, path)
    different = [a for a in sorted(set(theirs) | set(ours)) if theirs.get(a) != ours.get(a)]
    for address in different[:SHOWN]:
        print("%s %#x: readelf %s, explain/cfi %s"
              % (path, address, theirs.get(address), ours.get(address)))
    print("%s: %d rows, %d different" % (path, len(theirs), len(different)))
    return len(theirs) > 0 and not different


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--readelf", default="readelf")
    parser.add_argument("--runner")
    parser.add_argument("cfi_rows")
    parser.add_argument("files", nargs="+")
    options = parser.parse_args()
    command = options.runner.split() if options.runner else []
    command.append(options.cfi_rows)
    results = [compare(options.readelf, command, path) for path in options.files]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
