#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compares EVENTS.md with the code that writes the fields: what one of them has and the other has
not is printed, and the exit status is 1.

    check-events.py [ROOT]

The code is read, not run: shim/report/event.c says how each event is called, event_format_json
which function renders it, and each json_open(), json_put_…() and json_close() that this reaches is
one step of a path: `pipe.inode`, `chain[].pid`. A name that is made at run time is `*`. In EVENTS.md each row of an event's table that
begins with a name in back quotes is a path; `→ name` in it stands for the table of that object.
"""
import glob
import os
import re
import sys

JSON = "shim/report/event_json.c"
FUNCTION = re.compile(r"^(?:static )?(?:void|bool|uint64_t) \*?(\w+)\(([^;{]*?)\)\n\{\n(.*?)^\}",
                      re.M | re.S)
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"$')


def functions_of(path):
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/|//[^\n]*", "", file.read(), flags=re.S)
    for name, parameters, body in FUNCTION.findall(text):
        yield name, [p.split()[-1].lstrip("*") for p in parameters.split(",")], body


def calls_of(body):
    """Name and arguments of each call, in the order of the text."""
    for match in re.finditer(r"\b(\w+)\(", body):
        depth, quoted, argument, arguments, at = 1, False, "", [], match.end()
        while depth:
            c = body[at]
            if c in "\"'" and body[at - 1] != "\\" and (not quoted or quoted == c):
                quoted = False if quoted else c
            if not quoted:
                depth += (c in "([{") - (c in ")]}")
            if depth == 0 or (depth == 1 and c == "," and not quoted):
                arguments.append(argument.strip())
                argument = ""
            else:
                argument += c
            at += 1
        yield match.group(1), arguments


class Renderers:
    """What the functions of event_*.c write. A file's own functions go before those of others."""

    def __init__(self, root):
        self.root, self.own, self.all = root, {}, {}
        for path in sorted(glob.glob(os.path.join(root, "shim/report/event_*.c"))):
            for name, parameters, body in functions_of(path):
                self.own[path, name] = self.all[name] = (path, parameters, list(calls_of(body)))

    def paths(self, name):
        found = set()
        self.walk(self.own.get((os.path.join(self.root, JSON), name)) or self.all[name], {}, [], found)
        return found

    def walk(self, function, bound, at, found):
        path, parameters, calls = function

        def key(argument):
            text = STRING.match(argument)
            if text:
                return text.group(1)
            if argument == "NULL":
                return None
            return bound.get(argument, "*")

        for name, arguments in calls:
            if name == "json_open":
                one = key(arguments[1])
                element = "" if one is None else one
                if element:
                    found.add(".".join(at + [element]).replace(".[]", "[]"))
                at.append(element + "[]" if arguments[2] == "'['" else element)
            elif name == "json_close":
                if at:
                    at.pop()
            elif name.startswith("json_put_"):
                if key(arguments[1]) is not None:  # an element of a list that says what it is
                    found.add(".".join([part for part in at if part] + [key(arguments[1])]))
            else:
                called = self.own.get((path, name)) or self.all.get(name)
                if called and called[2]:
                    names = dict(zip(called[1], [key(a) if STRING.match(a) or a == "NULL" or a in bound
                                                 else "*" for a in arguments]))
                    self.walk(called, names, at, found)


def clean(paths):
    """Without the braces of the line itself and of list elements."""
    return {re.sub(r"^\.+", "", re.sub(r"\.{2,}", ".", path)) for path in paths} - {"", "[]"}


def of_code(root):
    """The fields of each event. Of an event that has another name in another case both have all."""
    renderers = Renderers(root)
    with open(os.path.join(root, "shim/report/event.c"), encoding="utf-8") as file:
        names = dict(re.findall(r"\[EVENT_(\w+)\] = \{(.*?)\}", file.read()))
    with open(os.path.join(root, JSON), encoding="utf-8") as file:
        table = re.search(r"struct event_format event_format_json = \{(.*?)\};", file.read(), re.S)
    events = {}
    for member, function in re.findall(r"\.(\w+) = (\w+)", table.group(1)) if table else []:
        for event in re.findall(r'"(\w+)"', names.get(member.upper(), "")):
            events[event] = clean(renderers.paths(function))
    return events


def of_document(root):
    with open(os.path.join(root, "EVENTS.md"), encoding="utf-8") as file:
        text = file.read()
    tables = {}
    for heading, body in re.findall(r"^##+ ([^\n]*)\n(.*?)(?=^##|\Z)", text, re.M | re.S):
        rows = []
        for names, rest in re.findall(r"^\| ((?:`[^`]+`(?:, )?)+) \|(.*)$", body, re.M):
            link = re.search(r"→ (\w+)", rest)
            rows += [(one, link.group(1) if link else None) for one in re.findall(r"`([^`]+)`", names)]
        for name in re.findall(r"`(\w+)`", heading) or [heading]:
            tables[name] = (heading, rows)

    def expand(rows, before=""):
        paths = set()
        for one, link in rows:
            paths.add(before + one.removesuffix("[]"))
            if link:
                paths |= expand(tables[link][1], before + one + ".")
        return paths

    common = expand(tables["Every event"][1])
    return {name: expand(rows) | common for name, (heading, rows) in tables.items()
            if "`" in heading}


def differences(root):
    code, document = of_code(root), of_document(root)
    if not code:
        yield "shim/report/event.c: no event found: this check no longer reads it"
    for event in sorted(code.keys() | document.keys()):
        if event not in document:
            yield "EVENTS.md: no section `%s`, which shim/report writes" % event
        elif event not in code:
            yield "EVENTS.md: `%s` is written nowhere" % event
        else:
            for path in sorted(code[event] - document[event]):
                yield "EVENTS.md: `%s` lacks `%s`, which shim/report writes" % (event, path)
            for path in sorted(document[event] - code[event]):
                yield "EVENTS.md: `%s` has `%s`, which is written nowhere" % (event, path)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..")
    found = list(differences(root))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
