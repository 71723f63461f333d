# SPDX-License-Identifier: MIT
"""Calls, of every kind."""
import contextlib
import functools
import gc
import json
import os
import re
import sys

from python_scenarios.report import block


def blocked():
    block()


def decorator():
    def logged(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    @logged
    @logged
    @functools.lru_cache(maxsize=None)
    def work(number):
        block()
        return number

    work(1)


def extension_sorted():
    sorted([3, 1, 2], key=lambda number: block() if number == 1 else number)


def extension_partial():
    functools.partial(functools.partial(map), block_on_two)(range(5))
    list(functools.partial(map, block_on_two)(range(5)))


def extension_json():
    def hook(pairs):
        if "inner" in pairs:
            block()
        return pairs

    json.loads('{"outer": [{"inner": 1}]}', object_hook=hook)
    json.dumps({"a": object()}, default=lambda value: None)


def block_on_two(number):
    if number == 2:
        block()
    return number


def extension_regex():
    re.sub("b", lambda match: (block(), "x")[1], "abc")


def extension_reduce():
    class Number:
        def __add__(self, other):
            block()
            return self

        def __hash__(self):
            return 1

        def __eq__(self, other):
            return False

    sum([Number(), Number()], Number())


def finalizer():
    class Garbage:
        def __del__(self):
            if self is first[0]:
                block()

    first = []
    garbage = Garbage()
    garbage.self = garbage
    first.append(garbage)
    first[0].__del__()
    other = Garbage()
    other.self = other
    del other
    gc.collect()


def constructor():
    """A class call that the interpreter has specialised, with its helper frame."""

    class Connection:
        def __init__(self, number):
            self.number = number
            if number == 5000:
                block()

    for number in range(5001):
        Connection(number)


def specialised():
    """Functions that run often enough to be specialised, called through every kind of call."""

    class Base:
        @property
        def value(self):
            return self.compute(1)

        def compute(self, number, *rest, **options):
            if self.armed:
                block()
            return number

        @classmethod
        def make(cls):
            return cls()

        @staticmethod
        def run(item):
            return item.value

        def __getattr__(self, name):
            if name == "armed":
                return False
            raise AttributeError(name)

        def __getitem__(self, index):
            return self.run(self)

        def __call__(self):
            return self[0]

    item = Base.make()
    for _ in range(3000):
        item()
    item.armed = True
    item()


def closures():
    captured = [1]

    def outer():
        other = 2

        def inner():
            captured.append(other)
            block()

        return [inner() for _ in range(1)]

    (lambda: outer())()


def recursion():
    def descend(depth):
        if depth > 0:
            return descend(depth - 1)
        block()

    sys.setrecursionlimit(2000)
    descend(900)


def mutual_recursion():
    def even(depth):
        return odd(depth - 1) if depth else block()

    def odd(depth):
        return even(depth - 1)

    even(300)


def context_manager():
    @contextlib.contextmanager
    def transaction():
        try:
            yield 1
        finally:
            block()

    with contextlib.ExitStack() as stack:
        stack.enter_context(transaction())
        stack.enter_context(transaction())


def exceptions():
    class Guard:
        def __enter__(self):
            return self

        def __exit__(self, *arguments):
            block()
            return True

    try:
        raise ValueError(
            "a call of"
            "several lines"
        )
    except ValueError:
        with Guard():
            {}["missing"]


def multiline_calls():
    def identity(
        value,
        *,
        other=None
    ):
        return value

    identity(
        [
            number
            for number in (
                3,
                2,
                1,
            )
        ],
        other=identity(
            (
                lambda:
                    block()
            )(),
        ),
    )


def class_body():
    class Outer:
        class Inner:
            attribute = block()


def import_module():
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "blocking_import.py")
        with open(name, "w", encoding="utf-8") as file:
            file.write("from python_scenarios.report import block\n\nblock()\n")
        sys.path.insert(0, folder)
        import blocking_import

        del blocking_import
