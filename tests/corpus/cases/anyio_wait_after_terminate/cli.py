import sys
import time

print("ready", flush=True)
sys.stdin.read()
#MEND time.sleep(1.5)
for number in range(256):
    print("x" * 1024, flush=True)
