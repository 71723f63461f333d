import sys
import time

#MEND time.sleep(1.5)
for number in range(2000):
    print("stderr line", number, "." * 50, file=sys.stderr)
print("done")
