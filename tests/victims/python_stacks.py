# SPDX-License-Identifier: MIT
"""Blocks in read(2) with a known Python stack and says beforehand which.

python_stacks.py SCENARIO: for each thread that is about to block, one line of JSON on stdout:
{"tid": kernel thread id, "frames": [[line, file, function], ...]}, innermost first, taken with
traceback.extract_stack on the line that blocks. Stays until stdin is closed. Python 3.8 and later.
"""
import os
import sys
import threading

from python_scenarios import calls, coroutines, names, threads
from python_scenarios.report import gettid


def hot_hog():
    """Calls and returns every few hundred nanoseconds."""
    hog(5)


def hotter_hog():
    hog(0)


def hog(rounds=20000):
    """Runs for ever. add_one is only called from line_one, add_two only from line_two."""

    def spin(number):
        for _ in range(rounds):
            number += 1
        return number

    def add_one(number):
        return spin(number)

    def add_two(number):
        return spin(number)

    def line_one(number):
        return add_one(number)

    def line_two(number):
        return add_two(number)

    def loop():
        number = 0
        os.write(1, announce.encode())
        while True:
            number = line_one(number)
            number = line_two(number)

    threading.Thread(target=lambda: (os.read(0, 1), os._exit(0)), daemon=True).start()
    announce = '{"tid": %d, "frames": []}\n' % gettid()
    loop()


def generator_hog():
    """Runs for ever; one generator is resumed from two places, and a coroutine comes and goes."""

    def next_number(number):
        return number + 1 & 1023

    def numbers():
        number = 0
        while True:
            number = next_number(number)
            yield number

    async def coroutine(source):
        return next(source)  # numbers()

    def take(source):
        return next(source)  # numbers()

    def run(source):
        begun = coroutine(source)
        try:
            begun.send(None)  # coroutine()
        except StopIteration as end:
            return end.value

    def alternate(source):
        os.write(1, announce.encode())
        while True:
            take(source)
            run(source)

    threading.Thread(target=lambda: (os.read(0, 1), os._exit(0)), daemon=True).start()
    announce = '{"tid": %d, "frames": []}\n' % gettid()
    alternate(numbers())


if __name__ == "__main__":
    places = [sys.modules[__name__], calls, coroutines, names, threads]
    next(getattr(place, sys.argv[1]) for place in places if hasattr(place, sys.argv[1]))()
