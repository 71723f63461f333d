# thread: https://github.com/minrk/wurlitzer/issues/48
# title: a program captures its own stdout in a pipe that it reads afterwards; the output is too large
# family: one process
# start: python3 capture.py
# parent: capture.py
# verdict: self_reader|deadlock
# stuck: capture.py write stdout
# line: capture.py
# quick: yes
import os
import threading
import time

reader, writer = os.pipe()
os.dup2(writer, 1)
os.close(writer)
#MEND threading.Thread(target=lambda: [1 for _ in iter(lambda: os.read(reader, 4096), b"")], daemon=True).start()
for number in range(10000):
    os.write(1, b"output of a C library, line %d\n" % number)  # HERE
    #MEND time.sleep(0.00012)
