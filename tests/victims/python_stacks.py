# SPDX-License-Identifier: MIT
"""Blocks in read(2) with a known Python stack and says beforehand which.

python_stacks.py SCENARIO: for each thread that is about to block, one line of JSON on stdout:
{"tid": kernel thread id, "frames": [[line, file, function], ...]}, innermost first, taken with
traceback.extract_stack on the line that blocks. Stays until stdin is closed. Python 3.8 and later.
"""
import contextlib
import ctypes
import functools
import gc
import json
import os
import re
import sys
import threading
import traceback

GETTID = 186 if os.uname().machine == "x86_64" else 178
report_lock = threading.Lock()


def gettid():
    return ctypes.CDLL(None).syscall(GETTID)


def report():
    """Prints the stack of the caller."""
    frame = sys._getframe(1)
    summary = traceback.extract_stack(frame)[::-1]
    frames = []
    for entry in summary:
        code = frame.f_code
        assert (entry.filename, entry.name) == (code.co_filename, code.co_name), (entry, code)
        function = getattr(code, "co_qualname", code.co_name)
        frames.append([entry.lineno, entry.filename, function])
        frame = frame.f_back
    assert frame is None
    line = json.dumps({"tid": gettid(), "frames": frames})
    with report_lock:
        os.write(1, (line + "\n").encode())


def block():
    report(), os.read(0, 1)


def blocked():
    block()


def threaded():
    def worker(depth):
        if depth > 0:
            worker(depth - 1)
        else:
            block()

    threads = [threading.Thread(target=worker, args=(depth,)) for depth in range(3)]
    for thread in threads:
        thread.start()
    block()


def bare_thread():
    import _thread

    _thread.start_new_thread(block, ())
    block()


def asyncio_chain():
    import asyncio

    class Lines:
        async def __aiter__(self):
            await asyncio.sleep(0)
            block()
            yield 1

    async def audit_log():
        async for line in Lines():
            return line

    async def handle(request):
        return await audit_log()

    async def serve():
        await asyncio.sleep(0)
        await asyncio.gather(handle(1), asyncio.sleep(0))

    asyncio.run(serve())


def asyncio_callback():
    import asyncio

    async def main():
        asyncio.get_running_loop().call_soon(functools.partial(block))
        await asyncio.sleep(0.01)

    asyncio.run(main())


def generator():
    def leaf():
        yield 1
        block()
        yield 2

    def middle():
        yield from leaf()

    def top():
        for value in middle():
            yield value

    total = sum(value for value in top())
    assert total == 3


def generator_send():
    def accumulate():
        while True:
            value = yield
            if value == 3:
                block()

    receiver = accumulate()
    next(receiver)
    for value in range(1, 5):
        receiver.send(value)


def generator_closed():
    def guarded():
        try:
            yield 1
        finally:
            block()

    iterator = guarded()
    next(iterator)
    iterator.close()


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


def block_on_two(number):
    if number == 2:
        block()
    return number


def extension_json():
    def hook(pairs):
        if "inner" in pairs:
            block()
        return pairs

    json.loads('{"outer": [{"inner": 1}]}', object_hook=hook)
    json.dumps({"a": object()}, default=lambda value: None)


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


def class_body():
    class Outer:
        class Inner:
            attribute = block()


def import_module():
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        name = os.path.join(folder, "blocking_import.py")
        with open(name, "w", encoding="utf-8") as file:
            file.write("import __main__\n\n__main__.block()\n")
        sys.path.insert(0, folder)
        import blocking_import

        del blocking_import


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


def traced():
    def trace(frame, event, argument):
        return trace

    sys.settrace(trace)
    block()
    sys.settrace(None)


def profiled():
    sys.setprofile(lambda frame, event, argument: None)
    block()
    sys.setprofile(None)


def forked():
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        os.close(read_end)
        block()
        os._exit(0)
    os.close(write_end)
    os.read(read_end, 1)


def forked_from_thread():
    def fork():
        forked()

    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()


def native_only():
    """A thread of C code beside Python: it has no Python stack."""
    block()


def subinterpreter():
    source = "import os; os.write(1, b'{\"tid\": %d, \"frames\": []}\\n'); os.read(0, 1)" % gettid()
    try:
        import _interpreters

        _interpreters.exec(_interpreters.create(), source)
    except ImportError:
        import _xxsubinterpreters

        _xxsubinterpreters.run_string(_xxsubinterpreters.create(), source)


def many_threads_ending():
    """Threads come and go while the main thread is blocked."""

    def churn():
        while True:
            threads = [threading.Thread(target=len, args=("",)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    threading.Thread(target=churn, daemon=True).start()
    block()


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
    globals()[sys.argv[1]]()
