#!/usr/bin/python3
import sys
import time

for number in range(10000):
    print("I am the very model of a modern major general")
sys.stdout.flush()
#MEND time.sleep(1.5)
sys.stdin.read()
