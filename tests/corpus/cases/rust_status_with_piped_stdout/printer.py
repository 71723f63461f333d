import sys
import time

#MEND time.sleep(1.5)
for number in range(100):
    sys.stdout.write("a" * 1024)
