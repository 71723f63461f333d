import sys
import time

for line in sys.stdin:
    #MEND time.sleep(1.5)
    for number in range(200):
        print("DEBUG mcp.server.lowlevel: response " + "x" * 500, file=sys.stderr)
    print("result", flush=True)
