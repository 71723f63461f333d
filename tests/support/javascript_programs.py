# SPDX-License-Identifier: MIT
"""JavaScript programs with random shapes and hot code: functions of every form that call each other
some ten thousand times, with objects of several shapes, until one call at last ends in stuck()."""
import random

SHAPES = "const shapes = [{ a: 1 }, { b: 2, a: 3 }, { c: 4, b: 5, a: 6 }];"


class Program:
    def __init__(self, seed, stuck):
        self.random = random.Random(seed)
        self.stuck = stuck

    def statement(self):
        return self.random.choice([
            "  s = (s * 31 + i) | 0;",
            "  s += o.a;",
            "  s +=\n    (i & 7)\n    - 2;",
            "  switch (i & 3) { case 0: s++; break; case 1: s--; break; default: s ^= 1; }",
            "  const { a } = o; s -= a;",
            "  for (let k = 0; k < 3; k++) s += k & i;",
            "  s += [i, s].length;",
            "  if (o.b > 3) s += o.b;",
        ])

    def call(self, callee):
        """A call, in random surroundings."""
        arguments = self.random.choice(["i, n, o", "i,\n      n, o", "i, n, shapes[i % 3]"])
        made = "%s(%s)" % (callee, arguments)
        return self.random.choice([
            "  s += %s;",
            "  s +=\n    %s;",
            "  try {\n    s += %s;\n  } finally {\n    s++;\n  }",
            "  for (let k = 0; k < 1; k++) {\n    s += %s;\n  }",
            "  [1].forEach(() => {\n    s += %s;\n  });",
            "  if (i >= 0)\n    s += 1 + %s * 2;",
        ]) % made

    def body(self, callee):
        before = [self.statement() for _ in range(self.random.randrange(3))]
        after = [self.statement() for _ in range(self.random.randrange(3))]
        # A constant is declared once.
        lines, seen = [], False
        for line in [*before, self.call(callee), *after]:
            if line.startswith("  const"):
                if seen:
                    continue
                seen = True
            lines.append(line)
        return "  let s = 0;\n%s\n  return s;" % "\n".join(lines)

    def function(self, index, callee):
        """Its text, and the expression that calls it."""
        name, body = "f%d" % index, self.body(callee)
        head = "(i, n, o) {\n%s\n}" % body
        form = self.random.randrange(6)
        if form == 0:
            return "function %s%s\n" % (name, head), name
        if form == 1:
            return "const %s = (i, n, o) => {\n%s\n};\n" % (name, body), name
        if form == 2:
            return ("class C%d { %s%s }\nconst c%d = new C%d();\n" %
                    (index, name, head, index, index)), "c%d.%s" % (index, name)
        if form == 3:
            return "class C%d { static %s%s }\n" % (index, name, head), "C%d.%s" % (index, name)
        if form == 4:
            return ("const %s = (() => {\n  let calls = 0;\n  return function %s(i, n, o) {\n  calls++;"
                    "\n%s\n};\n})();\n" % (name, name, body)), name
        return "const o%d = { %s%s };\n" % (index, name, head), "o%d.%s" % (index, name)

    def text(self):
        parts = ["'use strict';", "const stuck = require(%r);" % self.stuck,
                 "const gate = require(process.env.GATE);", SHAPES,
                 "function last(i, n, o) {\n  return gate(i === n, stuck) + o.a;\n}\n"]
        callee = "last"
        for index in range(self.random.randrange(5, 11)):
            text, callee = self.function(index, callee)
            parts.append(text)
        parts.append("function drive(n) {\n  let s = 0;\n  for (let i = 0; i <= n; i++)\n"
                     "    s += %s(i, n, shapes[i % 3]);\n  return s;\n}\ndrive(%d);\n"
                     .replace("% 3", "%% 3") % (callee, self.random.choice([300, 20000, 40000])))
        return "\n".join(parts)


def bundle(stuck):
    """One line of more than 200,000 characters, as bundlers make them."""
    fillers = "".join("function filler%d(x){return x+%d}" % (i, i) for i in range(6000))
    return ("const stuck=require(%r);%sfunction outer(x){return inner(x)+1}%s"
            "function inner(x){const y=x|0;return[y].map((z)=>stuck(z))[0]}outer(1);" %
            (stuck, fillers, fillers.replace("filler", "later")))


def long(stuck):
    """70,000 lines, the calls at its beginning, in its middle and at its end."""
    def lines(name):
        return "".join("function %s%d() { return %d; }\n" % (name, i, i) for i in range(35000))
    return ("const stuck = require(%r);\nfunction first(x) {\n  return second(x);\n}\n%s"
            "function second(x) {\n  return x +\n    third(x);\n}\n%sfunction third(x) {\n"
            "  return stuck(x);\n}\nfirst(1);\n" % (stuck, lines("early"), lines("late")))
