#!/usr/bin/python3
import sys
import time

#MEND time.sleep(1.5)
for number in range(6000):
    print("result line", number, "of the program under test", "." * 40)
