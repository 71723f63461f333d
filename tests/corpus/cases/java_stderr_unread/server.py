import sys
import time

#MEND time.sleep(1.5)
for number in range(3000):
    print("INFO node", number, "joins the cluster", file=sys.stderr)
print("started")
