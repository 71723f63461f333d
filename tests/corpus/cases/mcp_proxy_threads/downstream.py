import sys
import time

for line in sys.stdin:
    #MEND time.sleep(0.6)
    sys.stderr.write("x" * 262144)
    print("pong", flush=True)
