# SPDX-License-Identifier: MIT
"""Threads, processes, interpreters, and what watches a thread."""
import os
import sys
import threading

from python_scenarios.report import block, gettid


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
