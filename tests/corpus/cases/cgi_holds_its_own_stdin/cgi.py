import sys
import time

#MEND time.sleep(1.5)
sys.stdin.read()
