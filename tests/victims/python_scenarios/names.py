# SPDX-License-Identifier: MIT
"""Files and functions by long and foreign names, and a long line table."""
import functools

from python_scenarios.report import block


def long_function():
    """A line table of several kilobytes, with steps of more than 127 lines and back."""
    lines = ["def long_function(block):", "    total = 0"]
    for number in range(4000):
        lines.append("    total += %d" % number)
        if number % 500 == 0:
            lines.extend([""] * 300)
    lines.extend(["    for total in (", "1,"] + [""] * 400 + ["block(),", "):", "        pass"])
    lines[-1:] = ["        pass", "    block()"]
    namespace = {}
    exec(compile("\n".join(lines), "/generated/long_function.py", "exec"), namespace)
    namespace["long_function"](block)


def alphabets():
    names = [
        ("/srv/app/latin1/\xe9t\xe9/caf\xe9.py", "fonction_\xe9t\xe9"),
        ("/srv/\u30a2\u30d7\u30ea/\u66f8\u304d\u8fbc\u307f.py", "\u66f8\u304d\u8fbc\u307f"),
        ("/srv/\U0001f40d/\U0001f680 rocket.py", "\U00010330\U00010331"),
        ("/srv/\u0440\u0443\u0441\u0441\u043a\u0438\u0439/\u0394.py", "\u0437\u0430\u043f\u0438\u0441\u044c"),
        ("/srv/\u0627\u0644\u0639\u0631\u0628\u064a\u0629/\u05e2\u05d1\u05e8\u05d9\u05ea.py", "\u0643\u062a\u0627\u0628\u0629"),
        ("/srv/undecodable\udcff\udc80/file.py", "plain"),
        ("<string>", "\u0939\u093f\u0928\u094d\u0926\u0940"),
    ]
    call = block
    for file, function in names:
        source = "\n\ndef {0}(call):\n    call()\n".format(function)
        namespace = {}
        exec(compile(source, file, "exec"), namespace)
        call = functools.partial(namespace[[key for key in namespace if key != "__builtins__"][0]], call)
    call()


def long_names():
    call = block
    for file, function in [
        ("/start" + "/directory" * 60 + "/end.py", "a" * 500),
        ("/\u66f8" * 300 + "/end.py", "\u66f8" * 100),
        ("/\U0001f40d" * 300 + "/end.py", "\U00010330" * 80),
        ("x" * 511, "b" * 191),
        ("x" * 512, "b" * 192),
    ]:
        namespace = {}
        exec(compile("def {0}(call):\n call()\n".format(function), file, "exec"), namespace)
        call = functools.partial(namespace[function], call)
    call()
