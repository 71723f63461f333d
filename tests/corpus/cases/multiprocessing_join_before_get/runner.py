# thread: https://github.com/n8n-io/n8n/pull/19084
# title: process.join() before queue.get(): a result of more than 64 KB never comes through
# family: Python multiprocessing
# start: python3 runner.py
# parent: runner.py
# verdict: deadlock
# stuck: runner.py write *
# other: runner.py
# line: runner.py
import multiprocessing
import time


def work(queue):
    #MEND time.sleep(1.5)
    queue.put("x" * 500000)


if __name__ == "__main__":
    queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=work, args=(queue,))
    process.start()
    #MEND result = queue.get()
    process.join()  # HANG HERE
    result = queue.get()  # HANG
    #MEND process.join()
