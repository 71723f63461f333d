#!/usr/bin/python3
import sys
import time

#MEND time.sleep(1.5)
for line in range(1024):
    sys.stdout.write("x" * 1023 + "\n")
