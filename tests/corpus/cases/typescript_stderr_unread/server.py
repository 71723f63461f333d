import sys
import time

for line in sys.stdin:
    #MEND time.sleep(1.5)
    for number in range(256):
        sys.stderr.write("x" * 1024)
    print('{"jsonrpc": "2.0", "id": 1, "result": {}}', flush=True)
