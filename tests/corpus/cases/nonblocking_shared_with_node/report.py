import os
import time

while os.get_blocking(1):  # until Node has begun
    time.sleep(0.01)
    #MEND break
for number in range(3000):
    line = b"report line %06d with some text to fill the pipe soon\n" % number
    while line:
        try:
            line = line[os.write(1, line):]  # HERE
        except BlockingIOError:
            time.sleep(0.1)
    #MEND time.sleep(0.0004)
