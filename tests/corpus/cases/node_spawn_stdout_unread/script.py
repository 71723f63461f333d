#!/usr/bin/python3
import time

#MEND time.sleep(1.5)
for number in range(20000):
    print("progress: item", number, "is done")
