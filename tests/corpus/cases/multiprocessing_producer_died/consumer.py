# thread: https://github.com/python/cpython/issues/87971
# title: Queue.get() after the other process has died: nobody is left who could put anything
# family: Python multiprocessing
# start: python3 consumer.py
# parent: consumer.py
# verdict: eof_never|deadlock
# stuck: consumer.py read *
# other: consumer.py
# line: consumer.py
import multiprocessing
import os
import time


def produce(queue):
    #MEND time.sleep(1.5)
    #MEND queue.put("result")
    #MEND return
    os._exit(1)


if __name__ == "__main__":
    queue = multiprocessing.SimpleQueue()
    process = multiprocessing.Process(target=produce, args=(queue,))
    process.start()
    print(queue.get())  # HERE
