import sys
import time

#MEND time.sleep(1)
while block := sys.stdin.buffer.read(8192):
    sys.stdout.buffer.write(block)
    sys.stdout.buffer.flush()
