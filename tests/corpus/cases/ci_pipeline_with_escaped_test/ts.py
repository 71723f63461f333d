import sys
import time

for line in sys.stdin:  # HERE
    print(time.time(), line, end="", flush=True)
