import sys
import time

print("ready", flush=True)
#MEND time.sleep(1.5)
sys.stdin.read()
